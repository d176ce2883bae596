import { type Command, EXIT } from '../command/command.ts'
import type { JsonObject } from '../output/output.ts'
import { RELAY_OPTION, RelayApi } from './relay-api.ts'

type WalStatus = {
  readonly level: string
  readonly retainedBytes: number
  readonly limitBytes: number | null
  readonly usedRatio: number | null
  readonly growthBytesPerSecond: number | null
  readonly etaSeconds: number | null
  readonly isActive: boolean
  readonly walStatus: string
  readonly policy: string
}

type HeartbeatStatus = {
  readonly roundTripMs: number | null
  readonly seenAt: string | null
  readonly problem: string | null
}

type RelayStatus = JsonObject & {
  readonly state: string
  readonly reason: string
  readonly slot: string
  readonly pendingEvents: number
  readonly lagBytes: number | null
  readonly wal: WalStatus | null
  readonly heartbeat: HeartbeatStatus | null
}

export const RELAY_STATUS: Command = {
  name: 'relay status',
  summary: 'Tells the state of a relay, its slot, and how much of the log that keeps back.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: RELAY_OPTION,
  notes: `The exit code is ${EXIT.unhealthy} when the relay is halted, its slot has lost its WAL, or heartbeats do not come back.`,
  async run({ options, output }) {
    const status = await new RelayApi(options).get<RelayStatus>('/status')
    output.object(status, [{ title: '', text: textOf(status) }])
    const isUnhealthy =
      status.state === 'halted' ||
      status.wal?.level === 'lost' ||
      typeof status.heartbeat?.problem === 'string'
    return isUnhealthy ? EXIT.unhealthy : EXIT.ok
  },
}

function textOf(status: RelayStatus): string {
  const { state, reason, slot, pendingEvents, lagBytes, wal, heartbeat } = status
  const lines = [
    ['state', reason === '' ? state : `${state}: ${reason}`],
    ['slot', wal === null ? `${slot}: not seen` : `${slot}, ${wal.walStatus}${readBy(wal)}`],
    ['lag', lagBytes === null ? 'unknown' : sizeText(lagBytes)],
    ['in memory', `${pendingEvents} events`],
    ...(wal === null ? [] : walLines(wal)),
    ...(heartbeat === null ? [] : [['heartbeat', heartbeatText(heartbeat)]]),
  ]
  return `${lines.map(([name = '', text = '']) => `${name.padEnd(10)} ${text}`).join('\n')}\n`
}

function heartbeatText({ problem, seenAt, roundTripMs }: HeartbeatStatus): string {
  if (problem !== null) return problem
  if (seenAt === null) return 'none has come back yet'
  return `came back at ${seenAt}, after ${roundTripMs} ms`
}

function readBy({ isActive }: WalStatus): string {
  return isActive ? '' : ', read by nobody'
}

function walLines(wal: WalStatus): readonly (readonly string[])[] {
  const { level, retainedBytes, limitBytes, usedRatio, etaSeconds, policy } = wal
  const kept = sizeText(retainedBytes)
  if (limitBytes === null || usedRatio === null) {
    return [['WAL', `${kept} kept back; no limit: set max_slot_wal_keep_size or wal.budget.bytes`]]
  }
  const share = `${Math.round(usedRatio * 100)} %`
  const eta = etaSeconds === null ? 'it does not grow' : `used up in ${durationText(etaSeconds)}`
  return [
    ['WAL', `${kept} of ${sizeText(limitBytes)} kept back (${share}, ${level}); ${eta}`],
    ['policy', policy],
  ]
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

function sizeText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** power
  return `${power === 0 ? value : value.toFixed(1)} ${UNITS[power]}`
}

function durationText(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${(seconds / 3_600).toFixed(1)} h`
  return `${(seconds / 86_400).toFixed(1)} days`
}
