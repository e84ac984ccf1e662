/** Several instances on one PostgreSQL behind a balancer, and what kills them. */
import '../plugins/three-instances.test.ts'
import '../scripts/clustertest.test.ts'
