import { readFileSync } from 'node:fs'
import { type EventLoopUtilization, performance } from 'node:perf_hooks'
import type { Metrics } from '@fairlead/service'

const IDLE_METRICS = [
  'kafka_network_socketserver_networkprocessoravgidle_percent',
  'kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent',
] as const

const DISK_METRICS = [
  ['kafka_server_kafkaserver_linux_disk_read_bytes', /^read_bytes: (\d+)$/m],
  ['kafka_server_kafkaserver_linux_disk_write_bytes', /^write_bytes: (\d+)$/m],
] as const

/** What Kafka says of its threads and its host, of this process: one event loop does it all. */
export function registerProcessGauges(metrics: Metrics): void {
  for (const name of IDLE_METRICS) {
    let previous: EventLoopUtilization = performance.eventLoopUtilization()
    metrics.gauge({
      name,
      help: 'Share of the time since the last scrape in which the event loop was idle, 0 to 1.',
      collect() {
        const now = performance.eventLoopUtilization()
        this.set(1 - performance.eventLoopUtilization(now, previous).utilization)
        previous = now
      },
    })
  }
  for (const [name, line] of DISK_METRICS) {
    metrics.gauge({
      name,
      help: 'Bytes that this process has had the disk transfer; absent where Linux does not tell.',
      collect() {
        const bytes = line.exec(processIo())?.[1]
        this.reset()
        if (bytes !== undefined) this.set(Number(bytes))
      },
    })
  }
}

function processIo(): string {
  try {
    return readFileSync('/proc/self/io', 'utf8')
  } catch {
    // Containers may forbid it.
    return ''
  }
}
