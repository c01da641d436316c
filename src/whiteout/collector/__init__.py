"""The collector: HTTP in, CollectorPayload records out.

`core` decides what a request comes to, `door` what an anonymous one may leave behind; both know
nothing of sockets. `server` and `asgi` are two HTTP layers over them, `sink` makes records durable
before an answer is given, `process` puts them together.
"""
