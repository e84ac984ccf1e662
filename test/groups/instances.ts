/** Several instances on one PostgreSQL behind a balancer, and what kills them. */
import '../scripts/clustertest.test.ts'
