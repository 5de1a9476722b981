"""OTLP over gRPC, for senders that speak nothing else; grpcio is an extra."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sonify.errors import ReaderError
from sonify.readers.otlp_http import MAX_BODY_BYTES, Take
from sonify.readers.otlp_model import TooMuchError
from sonify.readers.otlp_protobuf import decode_protobuf, encode_partial_success

if TYPE_CHECKING:
    import grpc

__all__ = ["OtlpGrpcServer"]

_SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
_THREADS = 4
_MAX_CALLS = 64
_CLOSE_S = 0.2


def _same(body: bytes) -> bytes:
    return body


class OtlpGrpcServer:
    """Listens, and hands over each call of ``MetricsService/Export``; see `OtlpServer`."""

    def __init__(self, host: str, port: int, take: Take) -> None:
        try:
            import grpc
        except ImportError:
            raise ReaderError("otlp+grpc:// needs grpcio: pip install 'sonify[otlp-grpc]'") from None
        self._take = take
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="otlp-grpc")
        self._server = grpc.server(
            self._pool,
            maximum_concurrent_rpcs=_MAX_CALLS,
            options=[
                ("grpc.max_receive_message_length", MAX_BODY_BYTES),
                ("grpc.max_metadata_size", 32 * 1024),
                ("grpc.so_reuseport", 0),  # else two programs would share the port, and each hear a part
            ],
        )
        handler = grpc.unary_unary_rpc_method_handler(
            self._export, request_deserializer=_same, response_serializer=_same
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Export": handler}),))
        place = f"[{host}]" if ":" in host else host
        try:
            self.port: int = self._server.add_insecure_port(f"{place}:{port}")
        except RuntimeError:
            self.port = 0
        if not self.port:
            self._pool.shutdown(wait=False)
            raise ReaderError(f"cannot listen on {place}:{port}: address in use, or not of this machine")
        self._server.start()

    def _export(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        import grpc

        try:
            return encode_partial_success(*self._take(lambda: decode_protobuf(body)))
        except TooMuchError as error:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
            raise  # never: abort raises
        except ReaderError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise

    def close(self) -> None:
        """Stop listening, end all calls, and wait for their threads."""
        self._server.stop(_CLOSE_S).wait(2.0)
        self._pool.shutdown(wait=False)
