"""nginx as the bench uses it: as the proxy to compare with, and as an upstream that costs next to nothing."""

from __future__ import annotations

import os
from pathlib import Path

from bench import machine
from bench.process import Program

FRAME = """
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.error.log crit; {user}
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; default_type application/json; tcp_nodelay on;
  client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fcgi; uwsgi_temp_path {folder}/{name}-uwsgi; scgi_temp_path {folder}/{name}-scgi;
  {rest}
}}
"""
# What favours nginx most: nothing buffered in either direction, connections kept at both ends, a body read in pieces of
# 128 KB instead of 16.
PROXY = """
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 4096; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096;
    client_max_body_size 16m; client_body_buffer_size 128k;
    location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; }} }}
"""
FIXED = """
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{body}'; }} }}
"""
SETTINGS = "proxy_buffering off, proxy_request_buffering off, client_body_buffer_size 128k, keep-alive at both ends"


def program(name: str, rest: str, folder: Path) -> Program:
    """One nginx with one worker; ``rest`` is what stands in its http block."""
    user = "user root;" if os.geteuid() == 0 else ""
    conf = folder / f"{name}.conf"
    conf.write_text(FRAME.format(folder=folder, name=name, user=user, rest=rest))
    return Program(name, [machine.path("nginx"), "-e", f"{folder}/{name}.error.log", "-c", str(conf)])


def proxy(folder: Path, *, port: int, upstream: int) -> Program:
    return program("nginx", PROXY.format(port=port, upstream=upstream), folder)


def fixed(folder: Path, *, port: int, body: str) -> Program:
    """An upstream that answers every request alike."""
    return program("direct", FIXED.format(port=port, body=body), folder)
