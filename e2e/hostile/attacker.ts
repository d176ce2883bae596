import { connect } from 'node:net'
import { seededRandom } from '../support/seeded-random.ts'
import { readableFrame, unreadableFrame } from './hostile-frame.ts'
import type { Words } from './random-request.ts'

/** What a process that attacks is told, as JSON in its argument. */
export type AttackOrder = {
  readonly port: number
  readonly seed: number
  readonly frames: number
  readonly connections: number
  readonly words: Words
}

/** What it tells every second, and at its end, as a line of JSON. */
export type AttackReport = {
  readonly frames: number
  readonly connections: number
  /** Connections that were left since the broker had not answered or ended them. */
  readonly timeouts: number
}

const FRAMES_PER_CONNECTION_MAX = 40
const PATIENCE_MS = 2_000
const REPORT_INTERVAL_MS = 1_000

const order = JSON.parse(process.argv[2] ?? '{}') as AttackOrder
const random = seededRandom(order.seed)
const { int } = random
const report = { frames: 0, connections: 0, timeouts: 0 }

const timer = setInterval(tell, REPORT_INTERVAL_MS)
await Promise.all(Array.from({ length: order.connections }, attackAgainAndAgain))
clearInterval(timer)
tell()

function tell(): void {
  process.stdout.write(`${JSON.stringify(report satisfies AttackReport)}\n`)
}

async function attackAgainAndAgain(): Promise<void> {
  while (report.frames < order.frames) await attackOnce()
}

/**
 * One connection: frames that can be read, all at once, then one that cannot, or a part of one.
 * Then it waits until the broker ends the connection, or leaves in the middle.
 */
function attackOnce(): Promise<void> {
  const count = 1 + int(FRAMES_PER_CONNECTION_MAX)
  const frames = Array.from({ length: count - 1 }, () => readableFrame(random, order.words))
  const last = unreadableFrame(random, order.words)
  const end = int(10)
  frames.push(end < 2 ? last.subarray(0, int(last.length)) : last)
  report.frames += count
  report.connections += 1
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: order.port })
    const timer = setTimeout(() => {
      report.timeouts += 1
      leave()
    }, PATIENCE_MS)
    const leave = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve()
    }
    socket.on('error', leave)
    socket.on('close', leave)
    socket.resume()
    socket.write(Buffer.concat(frames), () => {
      if (end === 0) socket.resetAndDestroy()
      else if (end <= 2) socket.end()
    })
  })
}
