import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { AttackOrder, AttackReport } from './attacker.ts'

const ENTRY = join(import.meta.dirname, 'attacker.ts')

export type Attack = {
  readonly report: () => AttackReport
  readonly ended: Promise<void>
}

/** Attacks from a process of its own; `ended` rejects when that fails. */
export function startAttack(order: AttackOrder): Attack {
  const child = spawn(process.execPath, [ENTRY, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const killWithParent = (): void => {
    child.kill('SIGKILL')
  }
  process.prependOnceListener('exit', killWithParent)
  let latest: AttackReport = { frames: 0, connections: 0, timeouts: 0 }
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    const line = lines.at(-1)
    if (line !== undefined) latest = JSON.parse(line) as AttackReport
  })
  const ended = once(child, 'close').then(([code]) => {
    process.off('exit', killWithParent)
    if (code !== 0) throw new Error(`an attacker ended with code ${String(code)}`)
  })
  return { report: () => latest, ended }
}
