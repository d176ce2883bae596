import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import type { ComparableRecord } from './comparable.ts'

const FOLDER = join(import.meta.dirname, 'scenarios')

/** A connector's configuration, a database, what happens in it, and what Debezium wrote. */
export type Scenario = {
  readonly name: string
  readonly configFile: string
  readonly goldenFile: string
  readonly setup: string
  /** One statement each, in transactions of their own. */
  readonly changes: readonly string[]
}

export function scenarios(): readonly Scenario[] {
  return readdirSync(FOLDER)
    .sort()
    .map((name) => {
      const folder = join(FOLDER, name)
      const configFile = readdirSync(folder).find((file) => /^(connector|application)\./.test(file))
      if (configFile === undefined) throw new Error(`${name} has no configuration`)
      return {
        name,
        configFile: join(folder, configFile),
        goldenFile: join(folder, 'golden.json'),
        setup: readFileSync(join(folder, 'setup.sql'), 'utf8'),
        changes: statements(readFileSync(join(folder, 'changes.sql'), 'utf8')),
      }
    })
}

export async function makeChanges(client: pg.Client | pg.Pool, scenario: Scenario): Promise<void> {
  for (const statement of scenario.changes) await client.query(statement)
}

export function golden({ goldenFile }: Scenario): readonly ComparableRecord[] {
  return JSON.parse(readFileSync(goldenFile, 'utf8')) as readonly ComparableRecord[]
}

function statements(sql: string): readonly string[] {
  return sql.split(/;\n/).filter((statement) => statement.trim() !== '')
}
