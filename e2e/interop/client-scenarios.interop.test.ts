import { afterAll, beforeAll, describe, test } from 'vitest'
import { ApacheKafka } from '../support/apache-kafka.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { CLIENTS } from './clients/all-clients.ts'
import { SCENARIOS } from './clients/client.ts'
import type { DriverCommand } from './clients/driver.ts'
import { ScenarioContext, type Server } from './clients/scenario-context.ts'
import { SCENARIO_STEPS } from './clients/scenarios.ts'
import { isSelected } from './selection.ts'

const WANTED = CLIENTS.filter(({ name, version }) => isSelected('client', `${name} ${version}`))

/** Each client has a broker of its own, and each scenario topics of its own. */
describe.for(WANTED)('$name $version ($language)', (client) => {
  let server: Server
  let command: DriverCommand
  const absence = client.absence()

  beforeAll(async () => {
    if (absence !== undefined) return
    command = await client.prepare()
    server = isSelected('broker', 'apache', { byDefault: false })
      ? await ApacheKafka.start()
      : await BrokerProcess.start({ 'group.min.session.timeout.ms': 1_000 })
  })
  afterAll(async () => {
    if (absence === undefined) await server.stop()
  })

  test.for(SCENARIOS)('%s', async (scenario, { skip }) => {
    const reason = absence ?? client.lacks[scenario]
    skip(reason !== undefined, reason)
    await using context = new ScenarioContext({ client, server, command })
    await SCENARIO_STEPS[scenario](context)
  })
})
