"""The same networks twice: in TensorFlow, where they learn, and in NumPy, where an environment is stepped."""
