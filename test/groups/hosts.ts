/** What deploy/ has for hosts. */
import '../deploy/container.test.ts'
import '../deploy/proxies.test.ts'
import '../deploy/systemd.test.ts'
