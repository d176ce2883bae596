import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export type SuiteOutcome = 'passed' | 'failed' | 'skipped'

/** What one test of a suite came to, with what it said. */
export type SuiteResult = { readonly outcome: SuiteOutcome; readonly output: string }

/** Somebody else's tests, as their registry carries them. */
export type Suite = {
  readonly name: string
  readonly version: string
  /** Why this machine cannot run it; undefined when it can. */
  readonly absence: () => string | undefined
  /** What its tests assume of the broker. */
  readonly config: Readonly<Record<string, string | number>>
  /** Fetches and builds what is not in the cache, and runs every test against the broker. */
  readonly run: (address: string, filter: string) => Promise<ReadonlyMap<string, SuiteResult>>
}

/** Which tests of a suite must pass, and why each other one need not. Only ever grows. */
export type AllowList = {
  readonly pass: readonly string[]
  readonly outside: Readonly<Record<string, string>>
}

/** The list beside this file, which is named after the suite and its version. */
export function allowListOf({ name, version }: Suite): AllowList {
  const file = join(import.meta.dirname, `${name}-${version}.json`)
  return JSON.parse(readFileSync(file, 'utf8')) as AllowList
}
