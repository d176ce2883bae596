import { readFile } from 'node:fs/promises'
import { errorMessage } from '@fairlead/base'

const ROLES = ['read', 'write', 'delete', 'config', 'admin'] as const
export type Role = (typeof ROLES)[number]

type Permission = {
  /** A subject, or the beginning of subjects with `*` behind it; `*` alone is all of them. */
  readonly subjects: string
  readonly roles: readonly Role[]
}

export type User = {
  readonly name: string
  /** `scrypt:<salt>:<key>`, both in base64. */
  readonly password: string | undefined
  /** `sha256:<digest>` of a bearer token, in hex. */
  readonly token: string | undefined
  readonly permissions: readonly Permission[]
}

/**
 * Users from a JSON file: `{"users":[{"name","password","token","permissions":[{"subjects","roles"}]}]}`.
 *
 * @throws {Error} that names the file, the member and the rule.
 */
export async function readUsers(path: string): Promise<readonly User[]> {
  try {
    const json: unknown = JSON.parse(await readFile(path, 'utf8'))
    const users = listOf(memberOf(json, 'users'), 'users').map(userOf)
    const names = users.map(({ name }) => name)
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined) throw new Error(`the user "${twice}" is there twice`)
    return users
  } catch (error) {
    throw new Error(`users in ${path}: ${errorMessage(error)}`, { cause: error })
  }
}

const PASSWORD = /^scrypt:[A-Za-z0-9+/]+=*:[A-Za-z0-9+/]+=*$/
const TOKEN = /^sha256:[0-9a-f]{64}$/

function userOf(json: unknown, index: number): User {
  const at = `users[${index}]`
  const [name, password, token] = ['name', 'password', 'token'].map((member) => {
    const value = memberOf(json, member)
    if (value === undefined || typeof value === 'string') return value
    throw new Error(`${at}.${member} must be a string`)
  })
  if (name === undefined || name === '') throw new Error(`${at}.name is missing`)
  if (password !== undefined && !PASSWORD.test(password)) {
    throw new Error(`${at}.password must be scrypt:<salt>:<key>, both in base64`)
  }
  if (token !== undefined && !TOKEN.test(token)) {
    throw new Error(`${at}.token must be sha256:<64 hexadecimal digits>`)
  }
  const permissions = listOf(memberOf(json, 'permissions'), `${at}.permissions`)
  return { name, password, token, permissions: permissions.map((each) => permissionOf(each, at)) }
}

function permissionOf(json: unknown, at: string): Permission {
  const subjects = memberOf(json, 'subjects')
  if (typeof subjects !== 'string' || subjects === '') {
    throw new Error(`${at}.permissions: "subjects" is missing`)
  }
  if (subjects.slice(0, -1).includes('*')) {
    throw new Error(`${at}.permissions: "${subjects}" may have * at its end only`)
  }
  const roles = listOf(memberOf(json, 'roles'), `${at}.roles`).map((each) => {
    const role = ROLES.find((known) => known === each)
    if (role !== undefined) return role
    throw new Error(`${at}.permissions: a role is one of ${ROLES.join(', ')}`)
  })
  return { subjects, roles }
}

function memberOf(json: unknown, name: string): unknown {
  const isObject = typeof json === 'object' && json !== null && Object.hasOwn(json, name)
  return isObject ? (json as Readonly<Record<string, unknown>>)[name] : undefined
}

function listOf(json: unknown, what: string): readonly unknown[] {
  if (Array.isArray(json)) return json as unknown[]
  throw new Error(`${what} must be a list`)
}

/**
 * A user may do what a permission says, and nothing else; `undefined` is all subjects at once.
 * Who may write may read as well: a refusal tells what is there, and an empty schema is the latest.
 */
export function isAllowed(user: User, role: Role, subject: string | undefined): boolean {
  return user.permissions.some(
    (permission) => has(permission, role) && covers(permission.subjects, subject),
  )
}

export function mayReadAnything(user: User): boolean {
  return user.permissions.some((permission) => has(permission, 'read'))
}

function has({ roles }: Permission, role: Role): boolean {
  return roles.includes(role) || (role === 'read' && roles.includes('write'))
}

function covers(pattern: string, subject: string | undefined): boolean {
  if (pattern === '*') return true
  if (subject === undefined) return false
  return pattern.endsWith('*') ? subject.startsWith(pattern.slice(0, -1)) : subject === pattern
}
