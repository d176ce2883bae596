import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { NeighboursReport } from './neighbours.ts'
import type { RegistryNeighboursReport } from './registry/neighbours.ts'

type RunningNeighbours<Report> = {
  /** Ends them in order, and tells what they saw; throws when they were not served. */
  stop(): Promise<Report>
}

/** Starts well-formed clients of a broker in a process of their own; resolves once they work. */
export function startNeighbours(port: number): Promise<RunningNeighbours<NeighboursReport>> {
  return start('neighbours.ts', String(port))
}

/** As `startNeighbours`, of a schema registry. */
export function startRegistryNeighbours(
  url: string,
): Promise<RunningNeighbours<RegistryNeighboursReport>> {
  return start('registry/neighbours.ts', url)
}

async function start<Report>(entry: string, target: string): Promise<RunningNeighbours<Report>> {
  const child = spawn(process.execPath, [join(import.meta.dirname, entry), target], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const killWithParent = (): void => {
    child.kill('SIGKILL')
  }
  process.prependOnceListener('exit', killWithParent)
  const lines = createInterface({ input: child.stdout })
  // `exit` comes before the last of what they have printed.
  const exited = once(child, 'close').then(([code]) => {
    process.off('exit', killWithParent)
    if (code !== 0) throw new Error(`the neighbours were not served: exit code ${String(code)}`)
    return []
  })
  exited.catch(() => undefined)
  await Promise.race([once(lines, 'line'), exited])
  return {
    async stop() {
      child.stdin.end()
      const [line] = (await Promise.race([once(lines, 'line'), exited])) as [string?]
      await exited
      return JSON.parse(line ?? '') as Report
    },
  }
}
