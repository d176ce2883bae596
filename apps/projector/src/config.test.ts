import { loadConfig } from '@fairlead/service'
import { expect, test } from 'vitest'
import { PROJECTOR_CONFIG, projectorConfigProblems } from './config.ts'

function problemsOf(...flags: readonly string[]): readonly string[] {
  const argv = ['--database.url=postgres://localhost/read', '--projections=p.ts', ...flags]
  const { config } = loadConfig(PROJECTOR_CONFIG, { envPrefix: 'PROJECTOR_', argv, env: {} })
  return projectorConfigProblems(config)
}

test('a projector for some tenants has a group of its own, and knows whose events are', () => {
  expect(problemsOf()).toEqual([])
  expect(problemsOf('--tenants.include=acme')).toMatchObject([
    expect.stringContaining('set tenant.header'),
    expect.stringContaining('such as projector-acme'),
  ])
  const own = ['--tenant.header=tenant', '--group.id=projector-acme']
  expect(problemsOf('--tenants.include=acme', ...own)).toEqual([])
})

test('a member of a group is heard of before its session ends', () => {
  expect(problemsOf('--session.timeout.ms=3001')).toEqual([])
  expect(problemsOf('--session.timeout.ms=3000')).toMatchObject([
    expect.stringContaining('3000 is not less than session.timeout.ms'),
  ])
})

test('a standby and the process that works have a name in common', () => {
  expect(problemsOf('--standby.enabled=true')).toMatchObject([
    expect.stringContaining('set group.instance.id'),
  ])
  expect(problemsOf('--standby.enabled=true', '--group.instance.id=a')).toEqual([])
})

test.for([
  ['--schema.registry.url=http://a:8081,https://ana:x@b', /^$/],
  ['--schema.registry.url=http://a:8081,b:8081', /each must be an absolute URL/],
  ['--basic.auth.user.info=ana:x', /^$/],
  ['--basic.auth.user.info=ana:x --bearer.auth.token=t', /are both set/],
  ['--basic.auth.user.info=ana:x --basic.auth.credentials.source=URL', /is not used with/],
  ['--basic.auth.user.info=ana:x --basic.auth.credentials.source=USER_INFO', /^$/],
  ['--basic.auth.credentials.source=USER_INFO', /set basic\.auth\.user\.info/],
] as const)('who asks the registry is said once: %s', ([flags, problem]) => {
  expect(problemsOf(...flags.split(' ')).join()).toMatch(problem)
})
