"""A piece of each system's metrics page, and what its signals preset must make of it.

The pieces are short and made up; names and labels are as the systems write them. Each has series that must not count.
"""
# ruff: noqa: E501 (a sample is one line)

from __future__ import annotations

import re
from typing import NamedTuple

_SAMPLE = re.compile(r"([^\s{]+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([\w.]+)="((?:[^"\\]|\\.)*)"')


class Sample(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


class SystemPage(NamedTuple):
    """`expected` maps "table part backend" to the sum of all samples that go there, of a histogram its +Inf bucket."""

    page: str
    expected: dict[str, float]
    unit_s: float = 1.0

    def samples(self) -> list[Sample]:
        found = []
        for line in filter(None, map(str.strip, self.page.splitlines())):
            match = _SAMPLE.match(line)
            assert match is not None, line
            found.append(Sample(match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])))
        return found


SYSTEMS: dict[str, SystemPage] = {
    "code-live": SystemPage(
        """
        code_live_requests_total{backend="rust",status="200"} 90
        code_live_requests_total{backend="rust",status="503"} 7
        code_live_requests_total{backend="sql",status="server_error"} 3
        code_live_requests_total{backend="sql",status="404"} 5
        code_live_fallbacks_total{backend="rust"} 4
        code_live_glitches_total{backend="sql"} 2
        code_live_request_duration_seconds_bucket{target="rust",le="0.1"} 60
        code_live_request_duration_seconds_bucket{target="rust",le="+Inf"} 97
        code_live_batch_size_bucket{le="4"} 8
        code_live_batch_size_bucket{le="+Inf"} 9
        code_live_queue_depth 3
        code_live_active_requests 2
        """,
        {
            "requests count rust": 97,
            "requests count sql": 8,
            "errors count rust": 7,
            "errors count sql": 3,
            "fallbacks count rust": 4,
            "glitches count sql": 2,
            "latency bucket rust": 97,
            "batch bucket all": 9,
            "queue gauge all": 3,
            "active gauge all": 2,
        },
    ),
    "promhttp": SystemPage(
        """
        http_requests_total{code="200",handler="/pay",method="get"} 40
        http_requests_total{code="500",handler="/pay",method="get"} 2
        http_requests_total{code="404",handler="/pay",method="get"} 8
        http_request_duration_seconds_bucket{handler="/pay",le="0.5"} 49
        http_request_duration_seconds_bucket{handler="/pay",le="+Inf"} 50
        http_requests_in_flight 6
        promhttp_metric_handler_requests_total{code="500"} 1
        """,
        {
            "requests count /pay": 50,
            "errors count /pay": 2,
            "latency bucket /pay": 50,
            "active gauge all": 6,
        },
    ),
    "envoy": SystemPage(
        """
        envoy_server_live 1
        envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="cart"} 5
        envoy_cluster_upstream_rq_total{envoy_cluster_name="cart"} 0
        envoy_cluster_upstream_rq_completed{envoy_cluster_name="cart"} 5
        envoy_cluster_upstream_rq_completed{envoy_cluster_name="shop"} 70
        envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="cart"} 5
        envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="shop"} 70
        envoy_cluster_upstream_rq_retry{envoy_cluster_name="cart"} 4
        envoy_cluster_upstream_rq_retry_success{envoy_cluster_name="cart"} 1
        envoy_cluster_upstream_cx_connect_fail{envoy_cluster_name="cart"} 9
        envoy_cluster_upstream_rq_rx_reset{envoy_cluster_name="cart"} 1
        envoy_cluster_upstream_rq_timeout{envoy_cluster_name="cart"} 2
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop",le="100"} 60
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop",le="+Inf"} 70
        envoy_cluster_upstream_rq_pending_active{envoy_cluster_name="shop"} 3
        envoy_cluster_upstream_rq_active{envoy_cluster_name="shop"} 8
        """,
        {
            "requests count cart": 5,
            "requests count shop": 70,
            "errors count cart": 5,
            "fallbacks count cart": 4,
            "glitches count cart": 12,
            "latency bucket shop": 70,
            "queue gauge shop": 3,
            "active gauge shop": 8,
        },
        1e-3,
    ),
    "istio": SystemPage(
        """
        istio_requests_total{reporter="destination",destination_service_name="ratings",response_code="200",response_flags="-"} 60
        istio_requests_total{reporter="source",destination_service_name="ratings",response_code="200",response_flags="-"} 60
        istio_requests_total{reporter="waypoint",destination_service_name="ratings",response_code="503",response_flags="UH"} 2
        istio_request_duration_milliseconds_bucket{reporter="destination",destination_service_name="ratings",le="+Inf"} 62
        istio_request_duration_milliseconds_bucket{reporter="source",destination_service_name="ratings",le="+Inf"} 62
        """,
        {
            "requests count ratings": 62,
            "errors count ratings": 2,
            "glitches count ratings": 2,
            "latency bucket ratings": 62,
        },
        1e-3,
    ),
    "traefik": SystemPage(
        """
        traefik_config_reloads_total 2
        traefik_entrypoint_requests_total{code="500",entrypoint="web",method="GET",protocol="http"} 31
        traefik_service_requests_total{code="200",method="GET",protocol="http",service="whoami@docker"} 30
        traefik_service_requests_total{code="502",method="GET",protocol="http",service="whoami@docker"} 1
        traefik_service_retries_total{service="whoami@docker"} 3
        traefik_service_request_duration_seconds_bucket{code="200",service="whoami@docker",le="0.3"} 29
        traefik_service_request_duration_seconds_bucket{code="200",service="whoami@docker",le="+Inf"} 30
        traefik_entrypoint_request_duration_seconds_bucket{code="200",entrypoint="web",le="+Inf"} 99
        traefik_open_connections{entrypoint="web",method="GET",protocol="http"} 5
        traefik_open_connections{method="GET",protocol="http",service="whoami@docker"} 5
        """,
        {
            "requests count whoami@docker": 31,
            "errors count whoami@docker": 1,
            "fallbacks count whoami@docker": 3,
            "latency bucket whoami@docker": 30,
            "active gauge web": 5,
        },
    ),
    "caddy": SystemPage(
        """
        caddy_http_request_duration_seconds_count{code="200",handler="subroute",method="GET",server="srv0"} 10
        caddy_http_request_duration_seconds_count{code="503",handler="subroute",method="GET",server="srv0"} 5
        caddy_http_request_duration_seconds_bucket{code="200",handler="subroute",method="GET",server="srv0",le="+Inf"} 10
        caddy_http_request_duration_seconds_bucket{code="503",handler="subroute",method="GET",server="srv0",le="+Inf"} 5
        caddy_http_response_duration_seconds_bucket{code="503",handler="subroute",method="GET",server="srv0",le="+Inf"} 5
        caddy_http_requests_in_flight{handler="subroute",server="srv0"} 1
        promhttp_metric_handler_requests_in_flight 1
        """,
        {
            "requests count srv0": 15,
            "errors count srv0": 5,
            "latency bucket srv0": 15,
            "active gauge srv0": 1,
        },
    ),
    "haproxy": SystemPage(
        """
        haproxy_frontend_http_requests_total{proxy="web"} 99
        haproxy_backend_http_requests_total{proxy="app"} 10
        haproxy_backend_http_responses_total{proxy="app",code="2xx"} 7
        haproxy_backend_http_responses_total{proxy="app",code="4xx"} 2
        haproxy_backend_http_responses_total{proxy="app",code="5xx"} 1
        haproxy_backend_retry_warnings_total{proxy="app"} 3
        haproxy_backend_redispatch_warnings_total{proxy="app"} 2
        haproxy_backend_connection_errors_total{proxy="app"} 4
        haproxy_backend_response_errors_total{proxy="app"} 1
        haproxy_backend_response_time_average_seconds{proxy="app"} 0.25
        haproxy_backend_total_time_average_seconds{proxy="app"} 9
        haproxy_backend_current_queue{proxy="app"} 6
        haproxy_backend_current_sessions{proxy="app"} 8
        """,
        {
            "requests count app": 10,
            "errors count app": 1,
            "fallbacks count app": 5,
            "glitches count app": 5,
            "latency mean app": 0.25,
            "queue gauge app": 6,
            "active gauge app": 8,
        },
    ),
    "ingress-nginx": SystemPage(
        """
        nginx_ingress_controller_requests{controller_class="nginx",ingress="shop",service="shop-app",status="200"} 20
        nginx_ingress_controller_requests{controller_class="nginx",ingress="shop",service="shop-app",status="502"} 2
        nginx_ingress_controller_requests{controller_class="nginx",ingress="",service="",status="404"} 1
        nginx_ingress_controller_request_duration_seconds_bucket{ingress="shop",status="200",le="+Inf"} 22
        nginx_ingress_controller_nginx_process_connections{state="active"} 9
        nginx_ingress_controller_nginx_process_connections{state="reading"} 1
        nginx_ingress_controller_nginx_process_connections{state="writing"} 2
        nginx_ingress_controller_nginx_process_connections{state="waiting"} 6
        """,
        {
            "requests count shop": 22,
            "requests count all": 1,
            "errors count shop": 2,
            "latency bucket shop": 22,
            "active gauge all": 3,
        },
    ),
    "nginx-log": SystemPage(
        """
        nginx_http_requests_total 120
        nginx_connections_active 9
        nginx_connections_reading 1
        nginx_connections_writing 3
        nginx_connections_waiting 5
        """,
        {"requests count all": 120, "active gauge all": 4},
    ),
    "grpc": SystemPage(
        """
        grpc_server_started_total{grpc_method="Get",grpc_service="shop.Cart",grpc_type="unary"} 24
        grpc_server_handled_total{grpc_code="OK",grpc_method="Get",grpc_service="shop.Cart",grpc_type="unary"} 14
        grpc_server_handled_total{grpc_code="NotFound",grpc_method="Get",grpc_service="shop.Cart",grpc_type="unary"} 3
        grpc_server_handled_total{grpc_code="Unavailable",grpc_method="Get",grpc_service="shop.Cart",grpc_type="unary"} 2
        grpc_server_handled_total{grpc_code="DEADLINE_EXCEEDED",grpc_method="Get",grpc_service="shop.Cart",grpc_type="UNARY"} 1
        grpc_server_handling_seconds_bucket{grpc_method="Get",grpc_service="shop.Cart",grpc_type="unary",le="+Inf"} 20
        """,
        {
            "requests count shop.Cart": 20,
            "errors count shop.Cart": 3,
            "latency bucket shop.Cart": 20,
            "active gauge shop.Cart": 4,
        },
    ),
    "linkerd": SystemPage(
        """
        request_total{direction="inbound",authority="cart.shop:80",tls="true"} 41
        response_total{direction="inbound",authority="cart.shop:80",classification="success",status_code="200"} 38
        response_total{direction="inbound",authority="cart.shop:80",classification="failure",status_code="500"} 2
        response_total{direction="outbound",authority="pay.shop:80",classification="failure",status_code="500"} 9
        response_latency_ms_bucket{direction="inbound",authority="cart.shop:80",le="+Inf"} 40
        response_latency_ms_bucket{direction="outbound",authority="pay.shop:80",le="+Inf"} 9
        """,
        {
            "requests count cart.shop:80": 40,
            "errors count cart.shop:80": 2,
            "latency bucket cart.shop:80": 40,
        },
        1e-3,
    ),
    "spring-boot": SystemPage(
        """
        jvm_info{vendor="x",version="21"} 1
        http_server_requests_seconds_count{application="shop",error="none",outcome="SUCCESS",status="200",uri="/cart"} 12
        http_server_requests_seconds_count{application="shop",error="x",outcome="SERVER_ERROR",status="500",uri="/cart"} 3
        http_server_requests_seconds_bucket{application="shop",status="200",uri="/cart",le="+Inf"} 12
        http_server_requests_seconds_bucket{application="shop",status="500",uri="/cart",le="+Inf"} 3
        http_server_requests_active_seconds_active_count{application="shop",uri="UNKNOWN"} 2
        resilience4j_circuitbreaker_not_permitted_calls_total{application="shop",kind="not_permitted",name="pay"} 5
        hikaricp_connections_pending{application="shop",pool="HikariPool-1"} 4
        """,
        {
            "requests count shop": 15,
            "errors count shop": 3,
            "fallbacks count shop": 5,
            "latency bucket shop": 15,
            "queue gauge shop": 4,
            "active gauge shop": 2,
        },
    ),
    "aspnet-core": SystemPage(
        """
        http_server_request_duration_seconds_count{job="shop",http_response_status_code="200",http_route="cart"} 30
        http_server_request_duration_seconds_count{job="shop",http_response_status_code="500",http_route="cart"} 2
        http_server_request_duration_seconds_count{job="shop",http_response_status_code="404",http_route=""} 4
        http_server_request_duration_seconds_bucket{job="shop",http_response_status_code="200",http_route="cart",le="+Inf"} 30
        http_server_active_requests{job="shop",http_request_method="GET"} 3
        kestrel_queued_requests{job="shop"} 1
        kestrel_rejected_connections_total{job="shop"} 2
        """,
        {
            "requests count shop": 36,
            "errors count shop": 2,
            "glitches count shop": 2,
            "latency bucket shop": 30,
            "queue gauge shop": 1,
            "active gauge shop": 3,
        },
    ),
    "fastapi": SystemPage(
        """
        http_requests_total{handler="/ok",method="GET",status="2xx"} 15
        http_requests_total{handler="/ok",method="GET",status="4xx"} 1
        http_requests_total{handler="/ok",method="GET",status="5xx"} 4
        http_requests_total{handler="/plain",method="GET",status="503"} 2
        http_request_duration_highr_seconds_bucket{le="+Inf"} 22
        http_request_duration_seconds_bucket{handler="/ok",le="+Inf",method="GET"} 20
        http_requests_inprogress 3
        """,
        {
            "requests count /ok": 20,
            "requests count /plain": 2,
            "errors count /ok": 4,
            "errors count /plain": 2,
            "latency bucket /ok": 20,
            "active gauge all": 3,
        },
    ),
    "kube-apiserver": SystemPage(
        """
        apiserver_storage_objects{resource="pods"} 11
        apiserver_request_total{code="200",component="apiserver",resource="pods",verb="LIST"} 50
        apiserver_request_total{code="504",component="apiserver",resource="pods",verb="LIST"} 2
        apiserver_request_total{code="200",component="apiserver",resource="pods",verb="WATCH"} 900
        apiserver_request_duration_seconds_bucket{resource="pods",verb="LIST",le="+Inf"} 52
        apiserver_request_duration_seconds_bucket{resource="pods",verb="WATCH",le="+Inf"} 900
        apiserver_flowcontrol_rejected_requests_total{flow_schema="global-default",priority_level="low",reason="queue-full"} 3
        apiserver_flowcontrol_current_inqueue_requests{flow_schema="global-default",priority_level="low"} 5
        apiserver_current_inflight_requests{request_kind="mutating"} 1
        apiserver_current_inflight_requests{request_kind="readOnly"} 6
        """,
        {
            "requests count LIST": 52,
            "errors count LIST": 2,
            "glitches count all": 3,
            "latency bucket LIST": 52,
            "queue gauge all": 5,
            "active gauge all": 7,
        },
    ),
    "vllm": SystemPage(
        """
        vllm:request_success_total{finished_reason="stop",model_name="m7b"} 20
        vllm:request_success_total{finished_reason="length",model_name="m7b"} 5
        vllm:request_success_total{finished_reason="abort",model_name="m7b"} 2
        vllm:num_preemptions_total{model_name="m7b"} 1
        vllm:e2e_request_latency_seconds_bucket{le="+Inf",model_name="m7b"} 27
        vllm:time_to_first_token_seconds_bucket{le="+Inf",model_name="m7b"} 29
        vllm:iteration_tokens_total_bucket{le="8.0",model_name="m7b"} 11
        vllm:iteration_tokens_total_bucket{le="+Inf",model_name="m7b"} 13
        vllm:num_requests_waiting{model_name="m7b"} 4
        vllm:num_requests_running{model_name="m7b"} 6
        """,
        {
            "requests count m7b": 27,
            "errors count m7b": 2,
            "glitches count m7b": 1,
            "latency bucket m7b": 27,
            "batch bucket m7b": 13,
            "queue gauge m7b": 4,
            "active gauge m7b": 6,
        },
    ),
    "sglang": SystemPage(
        """
        sglang:num_requests_total{model_name="m7b"} 40
        sglang:num_aborted_requests_total{model_name="m7b"} 3
        sglang:e2e_request_latency_seconds_bucket{le="+Inf",model_name="m7b"} 37
        sglang:num_queue_reqs{model_name="m7b"} 2
        sglang:num_running_reqs{model_name="m7b"} 9
        """,
        {
            "requests count m7b": 40,
            "errors count m7b": 3,
            "latency bucket m7b": 37,
            "queue gauge m7b": 2,
            "active gauge m7b": 9,
        },
    ),
    "litellm": SystemPage(
        """
        litellm_proxy_total_requests_metric_total{requested_model="fast",status_code="200"} 18
        litellm_proxy_total_requests_metric_total{requested_model="fast",status_code="500"} 2
        litellm_proxy_total_requests_metric_created{requested_model="fast",status_code="200"} 1.7e9
        litellm_proxy_failed_requests_metric_total{exception_status="500",requested_model="fast"} 2
        litellm_deployment_successful_fallbacks_total{requested_model="fast",fallback_model="slow"} 3
        litellm_deployment_failed_fallbacks_total{requested_model="fast",fallback_model="slow"} 1
        litellm_deployment_cooled_down_total{litellm_model_name="gpt-x"} 1
        litellm_request_total_latency_metric_bucket{le="+Inf",model="gpt-x",requested_model="fast"} 18
        litellm_in_flight_requests 5
        """,
        {
            "requests count fast": 20,
            "errors count fast": 2,
            "fallbacks count fast": 4,
            "glitches count gpt-x": 1,
            "latency bucket fast": 18,
            "active gauge all": 5,
        },
    ),
    "otel-http": SystemPage(
        """
        http_server_request_duration_seconds_count{error_type="",http_response_status_code="200",http_route="/ok"} 9
        http_server_request_duration_seconds_count{error_type="503",http_response_status_code="503",http_route="/ok"} 2
        http_server_request_duration_seconds_count{error_type="timeout",http_route="/ok"} 1
        http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/ok",le="+Inf"} 9
        http_server_active_requests{http_request_method="GET"} 2
        """,
        {
            "requests count /ok": 12,
            "errors count /ok": 3,
            "latency bucket /ok": 9,
            "active gauge all": 2,
        },
    ),
    "otel-http-ms": SystemPage(
        """
        http_server_duration_milliseconds_count{http_status_code="200",http_target="/ok"} 9
        http_server_duration_milliseconds_count{http_status_code="503",http_target="/ok"} 2
        http_server_duration_milliseconds_bucket{http_status_code="200",http_target="/ok",le="+Inf"} 9
        http_server_active_requests{http_method="GET"} 2
        """,
        {
            "requests count /ok": 11,
            "errors count /ok": 2,
            "latency bucket /ok": 9,
            "active gauge all": 2,
        },
        1e-3,
    ),
    "otel-spans": SystemPage(
        """
        traces_span_metrics_calls_total{service_name="cart",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"} 8
        traces_span_metrics_calls_total{service_name="cart",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_ERROR"} 1
        traces_span_metrics_calls_total{service_name="cart",span_kind="SPAN_KIND_CLIENT",status_code="STATUS_CODE_ERROR"} 5
        traces_span_metrics_duration_milliseconds_bucket{service_name="cart",span_kind="SPAN_KIND_SERVER",le="+Inf"} 9
        """,
        {"requests count cart": 9, "errors count cart": 1, "latency bucket cart": 9},
        1e-3,
    ),
    "otel-genai": SystemPage(
        """
        gen_ai_client_operation_duration_seconds_count{error_type="",gen_ai_request_model="m7b"} 30
        gen_ai_client_operation_duration_seconds_count{error_type="timeout",gen_ai_request_model="m7b"} 2
        gen_ai_client_operation_duration_seconds_bucket{error_type="",gen_ai_request_model="m7b",le="+Inf"} 30
        gen_ai_client_operation_duration_seconds_bucket{error_type="timeout",gen_ai_request_model="m7b",le="+Inf"} 2
        gen_ai_client_token_usage_bucket{gen_ai_request_model="m7b",gen_ai_token_type="input",le="+Inf"} 30
        """,
        {
            "requests count m7b": 32,
            "errors count m7b": 2,
            "latency bucket m7b": 32,
            "batch bucket m7b": 30,
        },
    ),
    "prometheus-self": SystemPage(
        """
        prometheus_http_requests_total{code="200",handler="/api/v1/query"} 6
        prometheus_http_requests_total{code="400",handler="/api/v1/query"} 1
        prometheus_http_requests_total{code="503",handler="/api/v1/query"} 2
        prometheus_http_request_duration_seconds_bucket{handler="/api/v1/query",le="+Inf"} 9
        prometheus_rule_evaluation_failures_total{rule_group="a"} 3
        prometheus_notifications_dropped_total 1
        prometheus_notifications_queue_length 2
        prometheus_engine_queries 1
        """,
        {
            "requests count /api/v1/query": 9,
            "errors count /api/v1/query": 2,
            "glitches count all": 4,
            "latency bucket /api/v1/query": 9,
            "queue gauge all": 2,
            "active gauge all": 1,
        },
    ),
    "node": SystemPage(
        """
        node_disk_reads_completed_total{device="sda"} 100
        node_disk_reads_completed_total{device="dm-0"} 100
        node_disk_reads_completed_total{device="loop3"} 7
        node_disk_reads_completed_total{device="nvme0n1"} 5
        node_disk_writes_completed_total{device="sda"} 40
        node_disk_writes_completed_total{device="dm-0"} 40
        node_disk_write_time_seconds_total{device="sda"} 0.8
        node_disk_write_time_seconds_total{device="dm-0"} 0.8
        node_disk_read_time_seconds_total{device="sda"} 99
        node_vmstat_oom_kill 1
        node_netstat_TcpExt_ListenDrops 2
        node_softnet_dropped_total{cpu="0"} 3
        node_procs_blocked 4
        node_procs_running 5
        """,
        {
            "requests count sda": 140,
            "requests count nvme0n1": 5,
            "latency sum sda": 0.8,
            "latency number sda": 40,
            "glitches count all": 6,
            "queue gauge all": 4,
            "active gauge all": 5,
        },
    ),
}
