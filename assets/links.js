// A link to a statement opens in the same tab, where Streamlit would open each link of a text in another one; on the page
// of derivations it is the link of the contents that is followed, which loads nothing anew. Streamlit leaves the address
// as it is where a link leads to the page that is open. And what was the place of a statement on a page that held all of
// them is its address now.
{
    const derivations = () => location.pathname.endsWith("/derivations")
    if (derivations() && /^#[a-z_]+$/.test(location.hash)) {
        history.replaceState(null, "", `?statement=${location.hash.slice(1)}`)
    }
    let left = null // the path of a page that is left: what is asked of it now would lead back to it
    addEventListener("popstate", () => (left = null)) // back there
    addEventListener("click", (event) => {
        const link = event.target.closest?.("a[href]:not(svg *)")
        if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
        if (!link.target) left = link.pathname === location.pathname ? null : location.pathname
        if (!link.getAttribute("href").includes("derivations")) return
        if (link.dataset.testid === "stPageLink-NavLink") {
            if (derivations() && link.href !== location.href) history.pushState(null, "", link.href)
            document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0)
        } else if (link.search) {
            event.preventDefault()
            event.stopPropagation()
            const pageLinks = document.querySelectorAll("[data-testid=stPageLink-NavLink]")
            const same = [...pageLinks].find((other) => other.href === link.href)
            if (same) same.click()
            else location.assign(link.href)
        }
    }, true)
    // The page of a check that has ended is asked for here, once: only the browser knows which statement is wanted by now.
    // And it is the browser that goes to the page that a press leads to, before it asks anything else.
    let asked = null, gone = null
    new MutationObserver(() => {
        const going = document.querySelector(".st-key-going a")
        if (going && going !== gone) going.click()
        gone = going
        const checked = document.querySelector(".st-key-checked")
        if (!checked) asked = null
        else if (checked !== asked && location.pathname !== left) {
            asked = checked
            dispatchEvent(new PopStateEvent("popstate"))
        }
    }).observe(document, { childList: true, subtree: true })
}
