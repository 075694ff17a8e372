"""What the ablation's tests share with those of the models: a tiny checkpoint, one thread, and how input is refused."""

from tests.models.conftest import one_thread, plain, refused

__all__ = ["one_thread", "plain", "refused"]
