# Sidekiq from the distribution: it stores no results, so only its count of processed jobs can be checked.
require "sidekiq"

redis = { url: ENV.fetch("BENCH_URL") }
Sidekiq.configure_server do |config|
  config.redis = redis
  config.logger.level = Logger::WARN
end
Sidekiq.configure_client { |config| config.redis = redis }

class Add
  include Sidekiq::Worker

  def perform(x, y)
    x + y
  end
end

class Nap
  include Sidekiq::Worker

  def perform(steps, seconds)
    steps.times { sleep seconds }
    steps
  end
end
