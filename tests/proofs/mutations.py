"""What is broken in the code that trains, one at a time, and the statement whose check must notice.

Each is a module of `pg_core`, a piece of its text, what takes its place, and a key of `proofs.STATEMENTS`.
"""

MUTATIONS = [
    # Returns
    ("maths.returns", "return 2 * shift, returns + gamma", "return 2 * shift, returns - gamma", "returns"),
    ("maths.returns", "steps + shift < num_steps", "steps + shift <= num_steps", "returns"),  # runs around the end
    ("maths.returns", "(tf.constant(1), rewards)", "(tf.constant(2), rewards)", "returns"),
    ("maths.returns", "gamma)[:1]", "gamma)[-1:]", "reinforce"),  # the last return for the first
    ("maths.returns", "gamma ** tf.cast(_steps_like(rewards)", "gamma ** tf.cast(1 + _steps_like(rewards)", "reward_to_go"),
    # Baselines and normalisation
    ("maths.advantages", "keepdims=True) - rest\n", "keepdims=True)\n", "leave_one_out"),  # the own return is left in
    ("maths.advantages", "keepdims=True) - mask\n", "keepdims=True)\n", "leave_one_out"),
    ("maths.advantages", "where(count > 0, largest +", "where(count > 0, 0 * largest +", "leave_one_out"),
    ("maths.advantages", "broadcast_to(largest + tf.math", "broadcast_to(0 * largest + tf.math", "normalization"),
    ("maths.advantages", "masked_mean(returns, mask)[:, None]", "masked_mean(returns, 1 - 0 * mask)[:, None]", "normalization"),
    ("maths.advantages", "[:, None]) * mask", "[:, None])", "normalization"),
    ("maths.advantages", "(std + EPSILON)", "(std**2 + EPSILON)", "normalization"),
    ("maths.advantages", "return centered / (std", "return centered * (std", "normalization"),
    ("maths.advantages", "return centered / (std", "return centered / (0.1 + std", "default_estimator"),
    # Shares of a mean
    ("maths.shares", "tf.shape(mask)[2]", "tf.shape(mask)[0]", "reinforce"),
    ("maths.shares", "tf.reduce_sum(mask, axis=(0, 2))[:, None]", "tf.reduce_max(tf.reduce_sum(mask, axis=0), axis=1)[:, None]", "surrogate_loss"),
    ("maths.shares", "tf.reduce_sum(mask, axis=(0, 2))", "1 + tf.reduce_sum(mask, axis=(0, 2))", "default_estimator"),
    # Distributions
    ("maths.distributions", "z.dtype) * z - tf.nn.softplus(z)", "z.dtype) * z + tf.nn.softplus(z)", "scores"),
    ("maths.distributions", "(actions, z.dtype) - tf.sigmoid(z)", "(actions, z.dtype) - tf.sigmoid(-z)", "scores"),
    ("maths.distributions", "softplus(z) - z * tf.sigmoid(z)", "softplus(z) + z * tf.sigmoid(z)", "entropy"),
    ("maths.distributions", "return -(z * tf.sigmoid", "return (z * tf.sigmoid", "entropy"),
    ("maths.distributions", "return -tf.nn.sparse", "return tf.nn.sparse", "scores"),
    ("maths.distributions", "dtype=z.dtype) - tf.nn.softmax(z)", "dtype=z.dtype) + tf.nn.softmax(z)", "expected_score"),
    ("maths.distributions", "return -tf.reduce_sum(tf.nn.softmax", "return tf.reduce_sum(tf.nn.softmax", "entropy"),
    ("maths.distributions", "self.entropy()[..., None])", "1)", "entropy"),
    ("maths.distributions", "standardized * tf.exp(-self.log_std), standardized**2 - 1", "standardized, standardized**2 - 1", "scores"),
    ("maths.distributions", "standardized**2 - 1]", "standardized**2]", "scores"),
    ("maths.distributions", "self.log_std + 0.5 * LOG_2_PI, axis", "self.log_std, axis", "scores"),
    ("maths.distributions", "tf.ones_like(self.log_std)]", "tf.zeros_like(self.log_std)]", "entropy"),
    ("maths.distributions", "tf.add_n([pi.log_prob", "-tf.add_n([pi.log_prob", "scores"),
    ("maths.distributions", "tf.concat([pi.score", "-tf.concat([pi.score", "surrogate_loss"),
    ("maths.distributions", "tf.add_n([pi.entropy()", "-tf.add_n([pi.entropy()", "scores"),
    # What is measured
    ("maths.statistics", "expm1(log_ratio) - log_ratio", "expm1(log_ratio) + log_ratio", "entropy"),
    ("maths.statistics", "num_episodes * (num_episodes - 1)", "num_episodes * num_episodes", "variance"),  # ddof
    ("maths.statistics", "1 - variance(returns - baseline) / total", "1 - variance(returns + baseline) / total", "baselines"),
    ("maths.statistics", "cut = scores.shape[-1] // 4", "cut = scores.shape[-1] // 3", "variance"),
    # Optimisers
    ("maths.optimizers", "first / (1 - 0.9**step)", "first", "ascent"),  # Adam without its correction
    ("maths.optimizers", "return -learning_rate * velocity", "return learning_rate * velocity", "ascent"),
    ("maths.optimizers", "momentum * slots.first + gradient", "momentum * slots.first - gradient", "ascent"),
    ("maths.optimizers", "0.99 * slots.second + 0.01 * gradient**2", "0.99 * slots.second + 0.01 * gradient", "ascent"),
    # Networks
    ("policies.in_tensorflow", "TANH, 1 - y**2,", "TANH, 1 - y,", "surrogate_loss"),
    ("policies.in_tensorflow", "step = tf.cast(x > 0, x.dtype)", "step = tf.cast(x < 0, x.dtype)", "surrogate_loss"),
    ("policies.in_tensorflow", "sigmoid + y * (1 - sigmoid)", "sigmoid", "surrogate_loss"),
    ("policies.in_tensorflow", "x * (0.5 + 0.5 * tanh)", "x * (0.5 - 0.5 * tanh)", "surrogate_loss"),
    ("policies.in_tensorflow", "tf.nn.relu(x)", "x", "surrogate_loss"),
    ("policies.in_tensorflow", "tf.matmul(inputs, delta, transpose_a=True)", "-tf.matmul(inputs, delta, transpose_a=True)", "reinforce"),
    ("policies.in_tensorflow", "tf.ones_like(inputs[..., :1]), delta", "inputs[..., :1], delta", "surrogate_loss"),
    ("policies.in_tensorflow", "column * row for", "column * -row for", "surrogate_loss"),
    ("policies.in_tensorflow", "[..., 1:] - policy[name][..., :1]", "[..., :1] - policy[name][..., 1:]", "reinforce"),
    ("policies.in_tensorflow", "tf.concat([-gradients[name], gradients[name]]", "tf.concat([gradients[name], gradients[name]]", "reinforce"),
    ("policies.in_tensorflow", "tf.reduce_sum(delta_log_std, axis=-2", "tf.reduce_mean(delta_log_std, axis=-2", "surrogate_loss"),
    # The update
    ("learning.gradients", "delta = -(weights[..., None]", "delta = (weights[..., None]", "reinforce"),  # descent
    ("learning.gradients", "+ ent_coefs[..., None] * pi", "- ent_coefs[..., None] * pi", "surrogate_loss"),
    ("learning.gradients", "(values - returns[..., None])", "(values + returns[..., None])", "surrogate_loss"),
    ("learning.gradients", "transpose(array, [2, 0, 1])", "transpose(array[:, ::-1], [2, 0, 1])", "surrogate_loss"),
    ("learning.accumulate", "structure(tf.add, total, more)", "structure(lambda _, new: new, total, more)", "surrogate_loss"),
    ("learning.accumulate", "index * size < steps", "(index + 1) * size < steps", "surrogate_loss"),
    ("learning.reinforce", '"episode_return": lambda: maths.episode_returns', '"episode_return": lambda: maths.discounted_returns', "reinforce"),
    ("learning.reinforce", '"reward_to_go": lambda: maths.discounted_returns', '"reward_to_go": lambda: maths.episode_returns', "reward_to_go"),
    ("learning.reinforce", "advantages = (returns - baseline) * mask", "advantages = (returns + baseline) * mask", "leave_one_out"),
    ("learning.reinforce", "where(hyper.normalize_advantages, maths", "where(~hyper.normalize_advantages, maths", "reinforce"),
    ("learning.reinforce", "tf.cond(discounted, discount, lambda: normalized)", "tf.cond(discounted, lambda: normalized, discount)", "discounting"),
    ("learning.reinforce", "hyper.gamma_t & _is", "~hyper.gamma_t & _is", "discounting"),
    ("learning.reinforce", '_is(hyper.reduction, "reduction", "step")', '_is(hyper.reduction, "reduction", "episode")', "surrogate_loss"),
    ("learning.reinforce", '"step_mean": lambda: maths.step_mean', '"step_mean": lambda: maths.batch_mean', "normalization"),
    ("learning.reinforce", '"value": lambda: values', '"value": lambda: -values', "surrogate_loss"),
    ("learning.reinforce", "(limit > 0) & (norm > limit), limit / norm", "(limit > 0) & (norm > limit), norm / limit", "ascent"),
    ("learning.reinforce", "(limit > 0) & (norm > limit), limit", "limit > 0, limit", "gradient_clipping"),  # short ones stretched
    ("learning.reinforce", "factor * gradients[name]", "gradients[name]", "ascent"),
    ("learning.reinforce", "params[name] + delta", "params[name] - delta", "reinforce"),
    ("learning.reinforce", "_step(state.value, critic.gradients", "_step(state.value, {n: -g for n, g in critic.gradients.items()}", "surrogate_loss"),
    # The theory of the update
    ("learning.gradients", "weights[..., None] * pi.score", "tf.abs(weights[..., None]) * pi.score", "gradient_domination"),
    ("maths.statistics", "log_ratio = (new_log_probs - log_probs)", "log_ratio = (log_probs - new_log_probs)", "trust_region"),
    ("maths.returns", "(tf.constant(1), rewards)", "(tf.constant(2), rewards)", "importance_weights"),
    ("policies.in_tensorflow", "tf.concat([-gradients[name], gradients[name]]", "tf.concat([0 * gradients[name], gradients[name]]", "natural_gradient"),
    # Acting
    ("policies.in_numpy", "uniform[..., None] >= cumulative", "uniform[..., None] <= cumulative", "scores"),
    ("policies.in_numpy", "mean + np.exp(log_std) * normal", "mean - np.exp(log_std) * normal", "scores"),
    ("policies.in_numpy", "np.exp(logits - logits.max", "np.exp(logits.max", "scores"),
    ("policies.in_numpy", "inputs @ params[f\"kernel_{i}\"] + params", "inputs @ params[f\"kernel_{i}\"] - params", "cart_pole"),
    # Engines
    ("engines.compiled", "tf.sigmoid(-log_odds)", "tf.sigmoid(log_odds)", "cart_pole"),  # the opposite policy
    ("engines.cart_pole", "states + SECONDS *", "states - SECONDS *", "cart_pole"),
    ("engines.cart_pole", "tf.abs(states[2]) > MAX_ANGLE", "tf.abs(states[2]) < -MAX_ANGLE", "cart_pole"),
    ("engines.cart_pole", "return -failures", "return failures", "cart_pole"),
    ("engines.compiled", "playing & environment.terminated(states)", "playing & environment.terminated(-0.9 * states)", "cart_pole"),
    ("engines.gymnasium", "_where(alive, actions), np.where(alive, rewards, 0), alive", "_where(alive, actions), rewards, alive", "cart_pole"),
    ("engines.cart_pole", "uniform(-START, START", "uniform(0, START", "problem"),
    ("engines.gymnasium", "truncated |= alive & cut", "terminated |= alive & cut", "problem"),
    ("engines.gymnasium", "alive = alive & ~(ended | cut)", "alive = alive & ~cut", "cart_pole"),
    ("engines.gymnasium", "observations = np.where(alive[..., None], observations, 0)", "observations = observations + 0", "cart_pole"),
]  # fmt: skip
