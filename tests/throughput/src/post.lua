-- Events with ids and numbers of their own, `batch` of them per request. Arguments: a prefix for the ids, and `batch`.
local n, prefix, batch, headers = -1, "", 1, {}

function init(args)
  prefix, batch = args[1], tonumber(args[2])
  headers["content-type"] = batch > 1 and "application/cloudevents-batch+json" or "application/cloudevents+json"
end

local function event()
  n = n + 1
  return '{"specversion":"1.0","id":"' .. prefix .. n .. '","source":"/throughput","type":"e",'
    .. '"datacontenttype":"application/json","data":{"name":"Donald Duck","email":"donald@example.com","n":' .. n .. '}}'
end

function request()
  if batch == 1 then return wrk.format("POST", nil, headers, event()) end
  local events = {}
  for i = 1, batch do events[i] = event() end
  return wrk.format("POST", nil, headers, "[" .. table.concat(events, ",") .. "]")
end
