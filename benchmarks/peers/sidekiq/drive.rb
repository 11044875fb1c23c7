# Submit jobs to Sidekiq: the same requests and answers as driver/jobdriver.py, one JSON line each.
require "json"
require_relative "jobs"

$stdout.sync = true
$expected = 0

def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
def cpu = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID)
def processed = Sidekiq.redis { |redis| redis.get("stat:processed").to_i }

def versions(_request)
  { versions: { sidekiq: Sidekiq::VERSION }, python: "ruby #{RUBY_VERSION}" }
end

def submit(request)
  jobs = Array.new(request["n"]) { |i| [rand(1_000_000), i] }
  used, start = cpu, now
  if request["bulk"]
    jobs.each_slice(1000) { |part| Sidekiq::Client.push_bulk("class" => Add, "args" => part) }
  else
    jobs.each { |x, y| Add.perform_async(x, y) }
  end
  $expected += jobs.size
  { cpu: cpu - used, wall: now - start }
end

# The end is an empty queue; the workers' own count, reported every five seconds, must then agree.
def wait(request)
  deadline = now + request["seconds"]
  finished = nil
  until finished || now > deadline
    moment = now
    left = Sidekiq.redis { |redis| redis.llen("queue:default") }
    left.zero? ? finished = moment : sleep(request.fetch("poll", 0.005))
  end
  sleep 0.2 while finished && processed < $expected && now < deadline
  missing = [$expected - processed, 0].max
  { finished: finished, found: processed, missing: missing, wrong: [] }
end

while (line = $stdin.gets)
  request = JSON.parse(line)
  puts JSON.generate(send(request["do"], request))
end
