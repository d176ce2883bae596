import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { CLI_ENVIRONMENT } from '../support/cli.ts'
import { ROOT } from '../support/platform.ts'

test('the commands of docs/cli.md work as printed, one after the other', async () => {
  const broker = await BrokerProcess.start()
  try {
    const env = { ...process.env, ...CLI_ENVIRONMENT, FAIRLEAD_BOOTSTRAP_SERVER: broker.address }
    const text = readFileSync(join(ROOT, 'docs/cli.md'), 'utf8')
    const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block)
    const commands = blocks.flatMap((block) => block.trim().split('\n'))
    expect(commands.length).toBeGreaterThan(8)
    for (const command of commands) {
      // It rejects, with what was printed, unless the exit code is 0.
      await promisify(execFile)('bash', ['-o', 'pipefail', '-c', command], { env, cwd: ROOT })
    }
  } finally {
    await broker.stop()
  }
})
