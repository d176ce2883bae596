export { freePort } from '../../libs/testing/src/free-port.ts'
