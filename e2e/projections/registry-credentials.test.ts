import { randomBytes, scryptSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { RegistryProcess } from '../support/registry-process.ts'
import { run } from '../support/command.ts'
import { ROOT } from '../support/platform.ts'
import { deposits, release, startStack } from './rebuild-stack.ts'

const PASSWORD = 'p@ss:word'

function scryptOf(password: string): string {
  const salt = randomBytes(16)
  const key = scryptSync(password, salt, 32)
  return `scrypt:${salt.toString('base64')}:${key.toString('base64')}`
}

test('a projector, its threads, and the CLI name themselves to a registry that knows its users', async () => {
  await using stack = await startStack()
  const users = join(stack.directory, 'users.json')
  const permissions = [{ subjects: '*', roles: ['read', 'write'] }]
  const user = { name: 'reader', password: scryptOf(PASSWORD), permissions }
  await writeFile(users, JSON.stringify({ users: [user] }))
  const guarded = await RegistryProcess.start(stack.bootstrapServers, {
    'authentication.method': 'BASIC',
    'authentication.users.file': users,
  })
  try {
    // More than a thread of a rebuild is started for.
    await stack.publish(...deposits(20_000))
    const named = guarded.url.replace('//', `//reader:${encodeURIComponent(PASSWORD)}@`)
    const first = release(stack, 'accounts:1', { 'schema.registry.url': named })
    await stack.caughtUp('accounts')
    await first.stop()
    const second = release(stack, 'accounts:2', {
      'schema.registry.url': guarded.url,
      'basic.auth.user.info': `reader:${PASSWORD}`,
    })
    await stack.caughtUp('accounts', { version: 2 })
    const messages = second.logLines.map((line) => (JSON.parse(line) as { msg: string }).msg)
    expect(messages).toContain('the rebuild folds in threads')
    expect(messages).not.toContainEqual(expect.stringMatching('in one thread'))
    await second.stop()

    const cli = ['apps/cli/src/main.ts', 'schema', 'list', '--json', '--registry']
    expect(await run(process.execPath, [...cli, named], { cwd: ROOT })).toContain('bank.Deposited')
    await expect(run(process.execPath, [...cli, guarded.url], { cwd: ROOT })).rejects.toThrow(
      'Unauthorized',
    )
  } finally {
    await guarded.stop()
  }
})
