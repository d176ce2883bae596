export { brokerSecurity, brokerSecurityProblems } from './broker-security.ts'
export {
  BROKER_SECURITY_CONFIG,
  type PrefixedSecurityConfig,
  type SecurityConfig,
  prefixedSecurityConfig,
  unprefixedSecurityConfig,
} from './security-config.ts'
