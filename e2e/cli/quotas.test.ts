import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { type CliResult, fairlead } from '../support/cli.ts'

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})
afterAll(() => broker.stop())

function run(line: string): Promise<CliResult> {
  return fairlead(line.split(' '), { bootstrapServer: broker.address })
}

async function quotas(filter = ''): Promise<unknown> {
  const { stdout, stderr, exitCode } = await run(`quota list -o json${filter}`)
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  return JSON.parse(stdout)
}

test('quotas are set, listed and deleted', async () => {
  const set = await run(
    'quota set --client billing producer_byte_rate=1048576 request_percentage=12.5',
  )
  expect(set).toMatchObject({ exitCode: 0, stderr: '' })
  expect(set.stdout).toContain('client-id billing')
  await run('quota set --user-defaults --client-defaults controller_mutation_rate=5')
  await run('quota set --ip 10.0.0.1 connection_creation_rate=20')

  const ofClient = [
    { clientId: 'billing', key: 'producer_byte_rate', value: 1_048_576 },
    { clientId: 'billing', key: 'request_percentage', value: 12.5 },
  ]
  const ofDefaults = { user: null, clientId: null, key: 'controller_mutation_rate', value: 5 }
  const ofAddress = { ip: '10.0.0.1', key: 'connection_creation_rate', value: 20 }
  expect(await quotas()).toEqual([...ofClient, ofDefaults, ofAddress])
  expect(await quotas(' --client billing')).toEqual(ofClient)
  expect(await quotas(' --user-defaults')).toEqual([ofDefaults])
  expect((await run('quota list')).stdout).toMatch(
    /\(default\) +\(default\) +- +controller_mutation_rate +5/,
  )

  expect(await run('quota delete --client billing request_percentage')).toMatchObject({
    exitCode: 0,
  })
  expect(await quotas(' --client billing')).toEqual(ofClient.slice(0, 1))
  expect(await run('quota delete --client billing')).toMatchObject({ exitCode: 0 })
  expect(await quotas(' --client billing')).toEqual([])
  expect(await run('quota delete --client billing')).toMatchObject({ exitCode: 3 })
})

test('what is wrong is said, and changes nothing', async () => {
  expect(await run('quota set producer_byte_rate=1')).toMatchObject({ exitCode: 2 })
  expect(await run('quota set --user u --user-defaults producer_byte_rate=1')).toMatchObject({
    exitCode: 2,
  })
  expect(await run('quota set --user u producer_byte_rate=much')).toMatchObject({ exitCode: 2 })
  const refused = await run('quota set --user u producer_byte_rate=0')
  expect(refused.exitCode).not.toBe(0)
  expect(refused.stderr).toContain('Quota producer_byte_rate must be greater than 0')
  const tried = await run('quota set --user u producer_byte_rate=1 --dry-run')
  expect(tried).toMatchObject({ exitCode: 0 })
  expect(await quotas(' --user u')).toEqual([])
})
