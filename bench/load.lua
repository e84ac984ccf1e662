-- The requests stand ready in a file, so that wrk is not what is measured: those with a slot are completed by a number that
-- no other request has.
local requests, count, number, pause = {}, 0, 0, 0
local threads = 0

-- Each thread asks another server, where there are several ports, and counts in a range of its own.
function setup(thread)
  local ports = {}
  for port in (os.getenv("LOAD_PORTS") or ""):gmatch("%d+") do ports[#ports + 1] = port end
  if #ports > 0 then thread.addr = wrk.lookup("127.0.0.1", ports[threads % #ports + 1])[1] end
  thread:set("index", threads)
  threads = threads + 1
end

function init(args)
  number, pause = tonumber(args[2]), tonumber(args[3])
  number = number + index * tonumber(args[4])
  math.randomseed(number)
  local file = assert(io.open(args[1], "rb"))
  for text in file:read("*a"):gmatch("[^\30]+") do
    local parts = {}
    for part in text:gmatch("[^\31]+") do parts[#parts + 1] = part end
    count = count + 1
    requests[count] = parts
  end
  file:close()
  if pause > 0 then delay = function() return pause end end
  io.stderr:write("ready\n")
end

function request()
  local parts = requests[math.random(count)]
  if parts[2] == nil then return parts[1] end
  number = number + 1
  if parts[3] == nil then return parts[1] .. number .. parts[2] end
  return parts[1] .. number .. parts[2] .. number .. parts[3]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  print(string.format('RESULT {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "failed": %d}',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, failed))
end
