import { describe, expect, test } from 'vitest'
import { capture } from './capture.ts'
import { comparable } from './comparable.ts'
import { DEBEZIUM_VERSION, debeziumAbsence } from './real-debezium.ts'
import { golden, scenarios } from './scenario.ts'

const absence = debeziumAbsence()

describe.skipIf(absence !== undefined)(`Debezium ${DEBEZIUM_VERSION}`, () => {
  test.for(scenarios())('$name: the golden file is what it writes', async (scenario) => {
    expect((await capture(scenario)).map(comparable)).toEqual(golden(scenario))
  })
})
