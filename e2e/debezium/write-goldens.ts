import { writeFile } from 'node:fs/promises'
import { capture } from './capture.ts'
import { comparable } from './comparable.ts'
import { scenarios } from './scenario.ts'

/** Writes the golden file of each scenario that is named, or of all: what Debezium itself makes. */
const wanted = process.argv.slice(2)
for (const scenario of scenarios()) {
  if (wanted.length > 0 && !wanted.includes(scenario.name)) continue
  const records = await capture(scenario)
  const text = JSON.stringify(records.map(comparable), null, 2)
  await writeFile(scenario.goldenFile, `${text}\n`)
  process.stdout.write(`${scenario.name}: ${records.length} records\n`)
}
