-- wrk -s wrk.lua URL -- PATHS TOKENS DJANGO_KEY SEED
-- Each request takes a path and a session at random from two files. Ends with one line of JSON.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local function read_lines(name)
  local found = {}
  for line in io.lines(name) do
    found[#found + 1] = line
  end
  return found
end

function init(args)
  math.randomseed(tonumber(args[4]) * 1000 + number)
  heads, tails = {}, {}
  for i, path in ipairs(read_lines(args[1])) do
    heads[i] = "GET " .. path .. " HTTP/1.1\r\nHost: bench\r\nCookie: __Host-files="
  end
  for i, token in ipairs(read_lines(args[2])) do
    tails[i] = token .. "; sessionid=" .. args[3] .. "\r\n\r\n"
  end
end

function request()
  return heads[math.random(#heads)] .. tails[math.random(#tails)]
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"bytes":%.0f,"not_2xx":%d,"socket_errors":%d,"timeouts":%d,"p50_us":%.0f,"p99_us":%.0f}\n',
    summary.requests, summary.duration, summary.bytes, e.status, e.connect + e.read + e.write, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
