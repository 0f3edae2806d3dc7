-- One small chat request, and the figures of a run as one line of JSON.
wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench-client-0000000000000000000000000000000000000000000"
wrk.body = '{"model":"bench","messages":[{"role":"system","content":"You are a helpful assistant."},' ..
    '{"role":"user","content":"How many litres of water pass a penstock in one second?"}],' ..
    '"max_tokens":64,"temperature":0.7}'

done = function(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'FIGURES {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"errors":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
