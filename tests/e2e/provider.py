"""A provider of log-ins on the loopback address: OpenID Connect as Streamlit needs it, and whoever asks is let in."""

import json
import threading
import time
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey


class Provider(ThreadingHTTPServer):
    """Serves discovery, keys, authorisation and tokens; `person` (a browser's cookie) says as whom to log in."""

    def __init__(self, people: dict[str, dict[str, object]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.people = people
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.asked: dict[str, dict[str, str]] = {}  # by code
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def token(self, code: str) -> dict[str, object]:
        """Return what a code is worth: an identity, signed."""
        asked, now = self.asked.pop(code), int(time.time())
        claims = {"iss": self.url, "aud": asked["client_id"], "iat": now, "exp": now + 600, "nonce": asked["nonce"]}
        claims |= {"sub": asked["person"], **self.people[asked["person"]]}
        identity = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)
        return {"access_token": "x", "token_type": "Bearer", "expires_in": 600, "id_token": identity}


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        url, provider = urlsplit(self.path), self.server
        if url.path == "/.well-known/openid-configuration":
            ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            self._json({"issuer": provider.url, **{name: f"{provider.url}/{path}" for name, path in ends.items()}})
        elif url.path == "/keys":
            self._json(KeySet([provider.key]).as_dict(private=False))
        elif url.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            code, person = query["state"], SimpleCookie(self.headers["Cookie"])["person"].value
            provider.asked[code] = {**query, "person": person}
            self.send_response(302)
            answer = urlencode({"code": code, "state": query["state"]})
            self.send_header("Location", f"{query['redirect_uri']}?{answer}")
            self.end_headers()

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._json(self.server.token(body["code"][0]))

    def _json(self, content: dict[str, object]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""
