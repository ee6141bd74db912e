"""The processes that train runs and answer questions, and who starts, watches and ends them."""
