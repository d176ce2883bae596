import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { Metrics, loadConfig } from '@fairlead/service'
import { type BrokerOptions, type RunningBroker, startBroker } from '../broker.ts'
import { BROKER_CONFIG_ALL } from '../config.ts'

export type TestBroker = RunningBroker & {
  readonly directory: string
  readonly metrics: Metrics
  readonly warnings: readonly string[]
  readonly errors: readonly string[]
  /** Whatever `onFailure` was called with. */
  readonly failures: readonly unknown[]
}

/** A broker in this process, on a free port. The caller stops it. */
export async function startTestBroker(
  directory: string,
  settings: Readonly<Record<string, string>> = {},
  parts: Pick<BrokerOptions, 'disk' | 'measureVolume'> = {},
): Promise<TestBroker> {
  const keys = {
    'log.dirs': directory,
    listeners: 'PLAINTEXT://127.0.0.1:0',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '100',
    'offsets.topic.num.partitions': '4',
    ...settings,
  }
  const { config, texts } = loadConfig(BROKER_CONFIG_ALL, {
    envPrefix: 'KAFKA_',
    argv: Object.entries(keys).map(([key, value]) => `--${key}=${value}`),
    env: {},
  })
  const metrics = new Metrics({ service: 'broker', version: 'test' })
  const warnings: string[] = []
  const errors: string[] = []
  const failures: unknown[] = []
  const broker = await startBroker({
    config,
    configTexts: texts,
    ...parts,
    metrics,
    logger: {
      info: () => {},
      warn: (fields, message) => warnings.push(`${message} ${inspect(fields)}`),
      error: (fields, message) => errors.push(`${message} ${inspect(fields)}`),
    },
    onFailure: (error) => failures.push(error),
  })
  return { ...broker, directory, metrics, warnings, errors, failures }
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'fairlead-broker-'))
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}
