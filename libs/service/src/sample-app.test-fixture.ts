import { defineConfig, runApp } from './index.ts'

/** The smallest app: the tests of `runApp` start it as a process of its own. */
await runApp({
  name: 'sample',
  version: '1.2.3',
  description: 'an app for tests',
  envPrefix: 'SAMPLE_',
  httpPort: 0,
  spec: defineConfig({ greeting: { type: 'string', default: 'hello', doc: 'Said by /greeting.' } }),
  needsCredentials: true,
  check: ({ greeting }) => (greeting === 'bye' ? ['greeting bye does not greet: say hello'] : []),
  start: async ({ config, http, health, fail }) => {
    http.get('/greeting', () => ({ greeting: config.greeting }))
    http.post('/failure', () => fail(new Error('told to fail')))
    http.post('/unready', () => {
      health.set('peer', 'connection refused')
      return {}
    })
    return { stop: async () => {} }
  },
})
