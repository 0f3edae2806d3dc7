-- One chat request, small or with a prompt of BENCH_PROMPT_BYTES, and the figures of a run as one line of JSON.
local padding = tonumber(os.getenv("BENCH_PROMPT_BYTES") or "0")
local line = 'A line of a document: \\"quoted\\", caf\195\169, and a break.\\n'

wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench-client-0000000000000000000000000000000000000000000"
wrk.body = '{"model":"bench","messages":[{"role":"system","content":"You are a helpful assistant."},' ..
    '{"role":"user","content":"How many litres of water pass a penstock in one second?' ..
    line:rep(math.floor(padding / #line)) .. '"}],"max_tokens":64,"temperature":0.7}'

done = function(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"errors":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
