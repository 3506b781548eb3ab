"""What is said. It knows no peer, so that any Python tests it."""


def greeting(whom: str) -> str:
    return f"hello {whom}"
