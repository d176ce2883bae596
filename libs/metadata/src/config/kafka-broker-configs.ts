/**
 * Every key of Apache Kafka 4.4's `server.properties`, as its own `KafkaConfig` declares it: name,
 * type, default (`-` for none), importance, when a change takes effect, and the rule: a range, or the
 * words that are allowed (`i:` in any case). Keys that have an effect here have a definition of their
 * own in `broker-configs.ts`; for the others this is what is known of them.
 */
export const KAFKA_BROKER_CONFIGS = `
add.partitions.to.txn.retry.backoff.max.ms ; INT ; 100 ; HIGH ; read-only ; 0..
add.partitions.to.txn.retry.backoff.ms ; INT ; 20 ; HIGH ; read-only ; 1..
advertised.listeners ; LIST ; - ; HIGH ; read-only
alter.config.policy.class.name ; CLASS ; - ; LOW ; read-only
alter.log.dirs.replication.quota.window.num ; INT ; 11 ; LOW ; read-only ; 1..
alter.log.dirs.replication.quota.window.size.seconds ; INT ; 1 ; LOW ; read-only ; 1..
authorizer.class.name ; STRING ;  ; LOW ; read-only
auto.create.topics.enable ; BOOLEAN ; true ; HIGH ; read-only
auto.leader.rebalance.enable ; BOOLEAN ; true ; HIGH ; read-only
background.threads ; INT ; 10 ; HIGH ; cluster-wide ; 1..
broker.heartbeat.interval.ms ; INT ; 2000 ; MEDIUM ; read-only
broker.id ; INT ; -1 ; HIGH ; read-only
broker.rack ; STRING ; - ; MEDIUM ; read-only
broker.session.timeout.ms ; INT ; 9000 ; MEDIUM ; read-only
client.quota.callback.class ; CLASS ; - ; LOW ; read-only
compression.gzip.level ; INT ; -1 ; MEDIUM ; cluster-wide ; 1..9 or -1
compression.lz4.level ; INT ; 9 ; MEDIUM ; cluster-wide ; 1..17
compression.type ; STRING ; producer ; HIGH ; cluster-wide ; uncompressed|zstd|lz4|snappy|gzip|producer
compression.zstd.level ; INT ; 3 ; MEDIUM ; cluster-wide ; -131072..22
config.providers ; LIST ;  ; LOW ; cluster-wide
connection.failed.authentication.delay.ms ; INT ; 100 ; LOW ; read-only ; 0..
connections.max.idle.ms ; LONG ; 600000 ; MEDIUM ; read-only
connections.max.reauth.ms ; LONG ; 0 ; MEDIUM ; read-only
controlled.shutdown.enable ; BOOLEAN ; true ; MEDIUM ; read-only
controller.listener.names ; LIST ; - ; HIGH ; read-only
controller.quorum.append.linger.ms ; INT ; 25 ; MEDIUM ; read-only ; 0..
controller.quorum.auto.join.enable ; BOOLEAN ; false ; LOW ; read-only
controller.quorum.bootstrap.servers ; LIST ;  ; HIGH ; read-only
controller.quorum.election.backoff.max.ms ; INT ; 1000 ; HIGH ; read-only ; 0..
controller.quorum.election.timeout.ms ; INT ; 1000 ; HIGH ; read-only ; 0..
controller.quorum.fetch.max.bytes ; INT ; 1048576 ; LOW ; read-only ; 1..
controller.quorum.fetch.snapshot.max.bytes ; INT ; 1048576 ; LOW ; read-only ; 1..
controller.quorum.fetch.timeout.ms ; INT ; 2000 ; HIGH ; read-only ; 0..
controller.quorum.request.timeout.ms ; INT ; 2000 ; MEDIUM ; read-only ; 0..
controller.quorum.retry.backoff.ms ; INT ; 20 ; LOW ; read-only ; 0..
controller.quorum.voters ; LIST ;  ; HIGH ; read-only
controller.quota.window.num ; INT ; 11 ; LOW ; read-only ; 1..
controller.quota.window.size.seconds ; INT ; 1 ; LOW ; read-only ; 1..
controller.socket.timeout.ms ; INT ; 30000 ; MEDIUM ; read-only
cordoned.log.dirs ; LIST ;  ; MEDIUM ; per-broker
create.topic.policy.class.name ; CLASS ; - ; LOW ; read-only
default.replication.factor ; INT ; 1 ; MEDIUM ; read-only
delegation.token.expiry.check.interval.ms ; LONG ; 3600000 ; LOW ; read-only ; 1..
delegation.token.expiry.time.ms ; LONG ; 86400000 ; MEDIUM ; read-only ; 1..
delegation.token.max.lifetime.ms ; LONG ; 604800000 ; MEDIUM ; read-only ; 1..
delegation.token.secret.key ; PASSWORD ; - ; MEDIUM ; read-only
delete.records.purgatory.purge.interval.requests ; INT ; 1 ; MEDIUM ; read-only
delete.topic.enable ; BOOLEAN ; true ; HIGH ; read-only
early.start.listeners ; LIST ; - ; HIGH ; read-only
errors.deadletterqueue.auto.create.topics.enable ; BOOLEAN ; false ; MEDIUM ; cluster-wide
errors.deadletterqueue.topic.name.prefix ; STRING ; dlq. ; MEDIUM ; cluster-wide
fetch.max.bytes ; INT ; 57671680 ; MEDIUM ; read-only ; 1024..
fetch.purgatory.purge.interval.requests ; INT ; 1000 ; MEDIUM ; read-only
follower.fetch.last.tiered.offset.enable ; BOOLEAN ; false ; MEDIUM ; cluster-wide
group.consumer.assignment.interval.ms ; INT ; 1000 ; MEDIUM ; cluster-wide ; 0..
group.consumer.assignors ; LIST ; uniform,range ; MEDIUM ; read-only
group.consumer.heartbeat.interval.ms ; INT ; 5000 ; MEDIUM ; read-only ; 1..
group.consumer.max.assignment.interval.ms ; INT ; 15000 ; MEDIUM ; read-only ; 0..
group.consumer.max.heartbeat.interval.ms ; INT ; 15000 ; MEDIUM ; read-only ; 1..
group.consumer.max.session.timeout.ms ; INT ; 60000 ; MEDIUM ; read-only ; 1..
group.consumer.max.size ; INT ; 2147483647 ; MEDIUM ; read-only ; 1..
group.consumer.migration.policy ; STRING ; bidirectional ; MEDIUM ; read-only ; i:DISABLED|DOWNGRADE|UPGRADE|BIDIRECTIONAL
group.consumer.min.assignment.interval.ms ; INT ; 0 ; MEDIUM ; read-only ; 0..
group.consumer.min.heartbeat.interval.ms ; INT ; 5000 ; MEDIUM ; read-only ; 1..
group.consumer.min.session.timeout.ms ; INT ; 45000 ; MEDIUM ; read-only ; 1..
group.consumer.session.timeout.ms ; INT ; 45000 ; MEDIUM ; read-only ; 1..
group.coordinator.append.linger.ms ; INT ; -1 ; MEDIUM ; read-only ; -1..
group.coordinator.background.threads ; INT ; 2 ; HIGH ; read-only ; 1..
group.coordinator.cached.buffer.max.bytes ; INT ; 1048588 ; MEDIUM ; cluster-wide ; 524288..
group.coordinator.rebalance.protocols ; LIST ; classic,consumer,streams ; MEDIUM ; read-only ; consumer|classic|share|streams
group.coordinator.threads ; INT ; 4 ; HIGH ; read-only ; 1..
group.initial.rebalance.delay.ms ; INT ; 3000 ; MEDIUM ; read-only
group.max.session.timeout.ms ; INT ; 1800000 ; MEDIUM ; read-only
group.max.size ; INT ; 2147483647 ; MEDIUM ; read-only ; 1..
group.min.session.timeout.ms ; INT ; 6000 ; MEDIUM ; read-only
group.share.assignment.interval.ms ; INT ; 1000 ; MEDIUM ; cluster-wide ; 0..
group.share.assignors ; LIST ; simple ; MEDIUM ; read-only
group.share.delivery.count.limit ; INT ; 5 ; MEDIUM ; read-only ; 2..10
group.share.heartbeat.interval.ms ; INT ; 5000 ; MEDIUM ; read-only ; 1..
group.share.max.assignment.interval.ms ; INT ; 15000 ; MEDIUM ; read-only ; 0..
group.share.max.delivery.count.limit ; INT ; 10 ; MEDIUM ; read-only ; 5..25
group.share.max.heartbeat.interval.ms ; INT ; 15000 ; MEDIUM ; read-only ; 1..
group.share.max.partition.max.record.locks ; INT ; 4000 ; MEDIUM ; read-only ; 2000..10000
group.share.max.record.lock.duration.ms ; INT ; 60000 ; MEDIUM ; read-only ; 30000..3600000
group.share.max.session.timeout.ms ; INT ; 60000 ; MEDIUM ; read-only ; 1..
group.share.max.share.sessions ; INT ; 2000 ; MEDIUM ; read-only ; 1..
group.share.max.size ; INT ; 200 ; MEDIUM ; read-only ; 1..1000
group.share.min.assignment.interval.ms ; INT ; 0 ; MEDIUM ; read-only ; 0..
group.share.min.delivery.count.limit ; INT ; 2 ; MEDIUM ; read-only ; 2..5
group.share.min.heartbeat.interval.ms ; INT ; 5000 ; MEDIUM ; read-only ; 1..
group.share.min.partition.max.record.locks ; INT ; 100 ; MEDIUM ; read-only ; 100..2000
group.share.min.record.lock.duration.ms ; INT ; 15000 ; MEDIUM ; read-only ; 1000..30000
group.share.min.session.timeout.ms ; INT ; 45000 ; MEDIUM ; read-only ; 1..
group.share.partition.max.record.locks ; INT ; 2000 ; MEDIUM ; read-only ; 100..10000
group.share.record.lock.duration.ms ; INT ; 30000 ; MEDIUM ; read-only ; 1000..3600000
group.share.session.timeout.ms ; INT ; 45000 ; MEDIUM ; read-only ; 1..
group.streams.assignment.interval.ms ; INT ; 1000 ; MEDIUM ; cluster-wide ; 0..
group.streams.assignors ; LIST ; sticky ; MEDIUM ; read-only
group.streams.heartbeat.interval.ms ; INT ; 5000 ; MEDIUM ; read-only ; 1..
group.streams.initial.rebalance.delay.ms ; INT ; 3000 ; MEDIUM ; read-only ; 0..
group.streams.max.assignment.interval.ms ; INT ; 15000 ; MEDIUM ; read-only ; 0..
group.streams.max.heartbeat.interval.ms ; INT ; 15000 ; MEDIUM ; read-only ; 1..
group.streams.max.session.timeout.ms ; INT ; 60000 ; MEDIUM ; read-only ; 1..
group.streams.max.size ; INT ; 2147483647 ; MEDIUM ; read-only ; 1..
group.streams.max.standby.replicas ; INT ; 2 ; MEDIUM ; read-only ; 0..
group.streams.min.assignment.interval.ms ; INT ; 0 ; MEDIUM ; read-only ; 0..
group.streams.min.heartbeat.interval.ms ; INT ; 5000 ; MEDIUM ; read-only ; 1..
group.streams.min.session.timeout.ms ; INT ; 45000 ; MEDIUM ; read-only ; 1..
group.streams.num.standby.replicas ; INT ; 0 ; MEDIUM ; read-only ; 0..
group.streams.rack.aware.assignment.tags ; LIST ;  ; LOW ; read-only
group.streams.session.timeout.ms ; INT ; 45000 ; MEDIUM ; read-only ; 1..
group.streams.topology.description.plugin.class ; CLASS ; - ; MEDIUM ; read-only
initial.broker.registration.timeout.ms ; INT ; 60000 ; MEDIUM ; read-only
inter.broker.listener.name ; STRING ; - ; MEDIUM ; read-only
kafka.metrics.polling.interval.secs ; INT ; 10 ; LOW ; read-only ; 1..
kafka.metrics.reporters ; LIST ;  ; LOW ; read-only
leader.imbalance.check.interval.seconds ; LONG ; 300 ; HIGH ; read-only ; 1..
listener.security.protocol.map ; STRING ; SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT ; LOW ; per-broker
listeners ; LIST ; PLAINTEXT://:9092 ; HIGH ; per-broker
log.cleaner.backoff.ms ; LONG ; 15000 ; MEDIUM ; cluster-wide ; 0..
log.cleaner.dedupe.buffer.size ; LONG ; 134217728 ; MEDIUM ; cluster-wide
log.cleaner.delete.retention.ms ; LONG ; 86400000 ; MEDIUM ; cluster-wide ; 0..
log.cleaner.enable ; BOOLEAN ; true ; MEDIUM ; read-only
log.cleaner.io.buffer.load.factor ; DOUBLE ; 0.9 ; MEDIUM ; cluster-wide
log.cleaner.io.buffer.size ; INT ; 524288 ; MEDIUM ; cluster-wide ; 0..
log.cleaner.io.max.bytes.per.second ; DOUBLE ; 1.7976931348623157E308 ; MEDIUM ; cluster-wide
log.cleaner.max.compaction.lag.ms ; LONG ; 9223372036854775807 ; MEDIUM ; cluster-wide ; 1..
log.cleaner.min.cleanable.ratio ; DOUBLE ; 0.5 ; MEDIUM ; cluster-wide ; 0..1
log.cleaner.min.compaction.lag.ms ; LONG ; 0 ; MEDIUM ; cluster-wide ; 0..
log.cleaner.threads ; INT ; 1 ; MEDIUM ; cluster-wide ; 0..
log.cleanup.policy ; LIST ; delete ; MEDIUM ; cluster-wide ; compact|delete
log.dir ; LIST ; /tmp/kafka-logs ; HIGH ; read-only
log.dir.failure.timeout.ms ; LONG ; 30000 ; LOW ; read-only ; 1..
log.dirs ; LIST ; - ; HIGH ; read-only
log.flush.interval.messages ; LONG ; 9223372036854775807 ; HIGH ; cluster-wide ; 1..
log.flush.interval.ms ; LONG ; - ; HIGH ; cluster-wide
log.flush.offset.checkpoint.interval.ms ; INT ; 60000 ; HIGH ; read-only ; 0..
log.flush.scheduler.interval.ms ; LONG ; 9223372036854775807 ; HIGH ; read-only
log.flush.start.offset.checkpoint.interval.ms ; INT ; 60000 ; HIGH ; read-only ; 0..
log.index.interval.bytes ; INT ; 4096 ; MEDIUM ; cluster-wide ; 0..
log.index.size.max.bytes ; INT ; 10485760 ; MEDIUM ; cluster-wide ; 4..
log.local.retention.bytes ; LONG ; -2 ; MEDIUM ; cluster-wide ; -2..
log.local.retention.ms ; LONG ; -2 ; MEDIUM ; cluster-wide ; -2..
log.message.timestamp.after.max.ms ; LONG ; 3600000 ; MEDIUM ; cluster-wide ; 0..
log.message.timestamp.before.max.ms ; LONG ; 9223372036854775807 ; MEDIUM ; cluster-wide ; 0..
log.message.timestamp.type ; STRING ; CreateTime ; MEDIUM ; cluster-wide ; CreateTime|LogAppendTime
log.preallocate ; BOOLEAN ; false ; MEDIUM ; cluster-wide
log.remote.copy.lag.bytes ; LONG ; -1 ; MEDIUM ; cluster-wide ; -1..
log.remote.copy.lag.ms ; LONG ; 0 ; MEDIUM ; cluster-wide ; -1..
log.retention.bytes ; LONG ; -1 ; HIGH ; cluster-wide
log.retention.check.interval.ms ; LONG ; 300000 ; MEDIUM ; read-only ; 1..
log.retention.hours ; INT ; 168 ; HIGH ; read-only
log.retention.minutes ; INT ; - ; HIGH ; read-only
log.retention.ms ; LONG ; - ; HIGH ; cluster-wide
log.roll.hours ; INT ; 168 ; HIGH ; read-only ; 1..
log.roll.jitter.hours ; INT ; 0 ; HIGH ; read-only ; 0..
log.roll.jitter.ms ; LONG ; - ; HIGH ; cluster-wide
log.roll.ms ; LONG ; - ; HIGH ; cluster-wide
log.segment.bytes ; INT ; 1073741824 ; HIGH ; cluster-wide ; 1048576..
log.segment.delete.delay.ms ; LONG ; 60000 ; HIGH ; cluster-wide ; 0..
max.connection.creation.rate ; INT ; 2147483647 ; MEDIUM ; cluster-wide ; 0..
max.connections ; INT ; 2147483647 ; MEDIUM ; cluster-wide ; 0..
max.connections.per.ip ; INT ; 2147483647 ; MEDIUM ; cluster-wide ; 0..
max.connections.per.ip.overrides ; STRING ;  ; MEDIUM ; cluster-wide
max.decompressed.message.bytes ; INT ; 2147483639 ; MEDIUM ; cluster-wide ; 1..2147483639
max.incremental.fetch.session.cache.slots ; INT ; 1000 ; MEDIUM ; read-only ; 0..
max.request.partition.size.limit ; INT ; 2000 ; MEDIUM ; read-only ; 1..
message.max.bytes ; INT ; 1048588 ; HIGH ; cluster-wide ; 0..
metadata.log.dir ; STRING ; - ; HIGH ; read-only
metadata.log.max.record.bytes.between.snapshots ; LONG ; 20971520 ; HIGH ; read-only ; 1..
metadata.log.max.snapshot.interval.ms ; LONG ; 3600000 ; HIGH ; read-only ; 0..
metadata.log.segment.bytes ; INT ; 1073741824 ; HIGH ; read-only ; 8388608..
metadata.log.segment.ms ; LONG ; 604800000 ; HIGH ; read-only
metadata.max.idle.interval.ms ; INT ; 500 ; LOW ; read-only ; 0..
metadata.max.retention.bytes ; LONG ; 104857600 ; HIGH ; read-only
metadata.max.retention.ms ; LONG ; 604800000 ; HIGH ; read-only
metric.reporters ; LIST ; org.apache.kafka.common.metrics.JmxReporter ; LOW ; cluster-wide
metrics.num.samples ; INT ; 2 ; LOW ; read-only ; 1..
metrics.recording.level ; STRING ; INFO ; LOW ; read-only
metrics.sample.window.ms ; LONG ; 30000 ; LOW ; read-only ; 1..
min.insync.replicas ; INT ; 1 ; HIGH ; cluster-wide ; 1..
node.id ; INT ; - ; HIGH ; read-only ; 0..
num.io.threads ; INT ; 8 ; HIGH ; cluster-wide ; 1..
num.network.threads ; INT ; 3 ; HIGH ; cluster-wide ; 1..
num.partitions ; INT ; 1 ; MEDIUM ; read-only ; 1..
num.recovery.threads.per.data.dir ; INT ; 2 ; HIGH ; cluster-wide ; 1..
num.replica.alter.log.dirs.threads ; INT ; - ; HIGH ; read-only
num.replica.fetchers ; INT ; 1 ; HIGH ; cluster-wide ; 1..
offset.metadata.max.bytes ; INT ; 4096 ; HIGH ; read-only
offsets.commit.timeout.ms ; INT ; 5000 ; HIGH ; read-only ; 1..
offsets.load.buffer.size ; INT ; 5242880 ; HIGH ; read-only ; 1..
offsets.retention.check.interval.ms ; LONG ; 600000 ; HIGH ; read-only ; 1..
offsets.retention.minutes ; INT ; 10080 ; HIGH ; read-only ; 1..
offsets.topic.compression.codec ; INT ; 0 ; HIGH ; read-only
offsets.topic.num.partitions ; INT ; 50 ; HIGH ; read-only ; 1..
offsets.topic.replication.factor ; SHORT ; 3 ; HIGH ; read-only ; 1..
offsets.topic.segment.bytes ; INT ; 104857600 ; HIGH ; read-only ; 1..
principal.builder.class ; CLASS ; org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder ; MEDIUM ; per-broker
process.roles ; LIST ; - ; HIGH ; read-only ; broker|controller
producer.id.expiration.ms ; INT ; 86400000 ; LOW ; cluster-wide ; 1..
producer.purgatory.purge.interval.requests ; INT ; 1000 ; MEDIUM ; read-only
queued.max.request.bytes ; LONG ; -1 ; MEDIUM ; read-only
queued.max.requests ; INT ; 500 ; HIGH ; read-only ; 1..
quota.window.num ; INT ; 11 ; LOW ; read-only ; 1..
quota.window.size.seconds ; INT ; 1 ; LOW ; read-only ; 1..
remote.fetch.max.wait.ms ; INT ; 500 ; MEDIUM ; cluster-wide ; 1..
remote.list.offsets.request.timeout.ms ; LONG ; 30000 ; MEDIUM ; cluster-wide ; 1..
remote.log.index.file.cache.total.size.bytes ; LONG ; 1073741824 ; LOW ; cluster-wide ; 1..
remote.log.manager.copier.thread.pool.size ; INT ; 10 ; MEDIUM ; cluster-wide ; 1..
remote.log.manager.copy.max.bytes.per.second ; LONG ; 9223372036854775807 ; MEDIUM ; cluster-wide ; 1..
remote.log.manager.copy.quota.window.num ; INT ; 11 ; MEDIUM ; read-only ; 1..
remote.log.manager.copy.quota.window.size.seconds ; INT ; 1 ; MEDIUM ; read-only ; 1..
remote.log.manager.expiration.thread.pool.size ; INT ; 10 ; MEDIUM ; cluster-wide ; 1..
remote.log.manager.fetch.max.bytes.per.second ; LONG ; 9223372036854775807 ; MEDIUM ; cluster-wide ; 1..
remote.log.manager.fetch.quota.window.num ; INT ; 11 ; MEDIUM ; read-only ; 1..
remote.log.manager.fetch.quota.window.size.seconds ; INT ; 1 ; MEDIUM ; read-only ; 1..
remote.log.manager.follower.thread.pool.size ; INT ; 2 ; MEDIUM ; cluster-wide ; 1..
remote.log.manager.task.interval.ms ; LONG ; 30000 ; LOW ; read-only ; 1..
remote.log.manager.thread.pool.size ; INT ; 2 ; MEDIUM ; read-only ; 1..
remote.log.metadata.custom.metadata.max.bytes ; INT ; 128 ; LOW ; read-only ; 0..
remote.log.metadata.manager.class.name ; STRING ; org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager ; MEDIUM ; read-only
remote.log.metadata.manager.class.path ; STRING ; - ; MEDIUM ; read-only
remote.log.metadata.manager.impl.prefix ; STRING ; rlmm.config. ; MEDIUM ; read-only
remote.log.metadata.manager.listener.name ; STRING ; - ; MEDIUM ; read-only
remote.log.reader.max.pending.tasks ; INT ; 100 ; MEDIUM ; read-only ; 1..
remote.log.reader.threads ; INT ; 10 ; MEDIUM ; cluster-wide ; 1..
remote.log.storage.manager.class.name ; STRING ; - ; MEDIUM ; read-only
remote.log.storage.manager.class.path ; STRING ; - ; MEDIUM ; read-only
remote.log.storage.manager.impl.prefix ; STRING ; rsm.config. ; MEDIUM ; read-only
remote.log.storage.system.enable ; BOOLEAN ; false ; MEDIUM ; read-only
replica.fetch.backoff.ms ; INT ; 1000 ; MEDIUM ; read-only ; 0..
replica.fetch.max.bytes ; INT ; 1048576 ; MEDIUM ; read-only ; 0..
replica.fetch.min.bytes ; INT ; 1 ; HIGH ; read-only
replica.fetch.response.max.bytes ; INT ; 10485760 ; MEDIUM ; read-only ; 0..
replica.fetch.wait.max.ms ; INT ; 500 ; HIGH ; read-only
replica.high.watermark.checkpoint.interval.ms ; LONG ; 5000 ; HIGH ; read-only
replica.lag.time.max.ms ; LONG ; 30000 ; HIGH ; read-only
replica.selector.class ; STRING ; - ; MEDIUM ; read-only
replica.socket.receive.buffer.bytes ; INT ; 65536 ; HIGH ; read-only
replica.socket.timeout.ms ; INT ; 30000 ; HIGH ; read-only
replication.quota.window.num ; INT ; 11 ; LOW ; read-only ; 1..
replication.quota.window.size.seconds ; INT ; 1 ; LOW ; read-only ; 1..
request.timeout.ms ; INT ; 30000 ; HIGH ; read-only
sasl.client.callback.handler.class ; CLASS ; - ; MEDIUM ; read-only
sasl.enabled.mechanisms ; LIST ; GSSAPI ; MEDIUM ; per-broker
sasl.jaas.config ; PASSWORD ; - ; MEDIUM ; per-broker
sasl.kerberos.kinit.cmd ; STRING ; /usr/bin/kinit ; MEDIUM ; per-broker
sasl.kerberos.min.time.before.relogin ; LONG ; 60000 ; MEDIUM ; per-broker
sasl.kerberos.principal.to.local.rules ; LIST ; DEFAULT ; MEDIUM ; per-broker
sasl.kerberos.service.name ; STRING ; - ; MEDIUM ; per-broker
sasl.kerberos.ticket.renew.jitter ; DOUBLE ; 0.05 ; MEDIUM ; per-broker
sasl.kerberos.ticket.renew.window.factor ; DOUBLE ; 0.8 ; MEDIUM ; per-broker
sasl.login.callback.handler.class ; CLASS ; - ; MEDIUM ; read-only
sasl.login.class ; CLASS ; - ; MEDIUM ; read-only
sasl.login.connect.timeout.ms ; INT ; - ; LOW ; read-only
sasl.login.read.timeout.ms ; INT ; - ; LOW ; read-only
sasl.login.refresh.buffer.seconds ; SHORT ; 300 ; MEDIUM ; per-broker
sasl.login.refresh.min.period.seconds ; SHORT ; 60 ; MEDIUM ; per-broker
sasl.login.refresh.window.factor ; DOUBLE ; 0.8 ; MEDIUM ; per-broker
sasl.login.refresh.window.jitter ; DOUBLE ; 0.05 ; MEDIUM ; per-broker
sasl.login.retry.backoff.max.ms ; LONG ; 10000 ; LOW ; read-only
sasl.login.retry.backoff.ms ; LONG ; 100 ; LOW ; read-only
sasl.mechanism.controller.protocol ; STRING ; GSSAPI ; HIGH ; read-only
sasl.mechanism.inter.broker.protocol ; STRING ; GSSAPI ; MEDIUM ; per-broker
sasl.oauthbearer.allow.unverified.audience ; BOOLEAN ; false ; MEDIUM ; read-only
sasl.oauthbearer.allow.unverified.issuer ; BOOLEAN ; false ; MEDIUM ; read-only
sasl.oauthbearer.assertion.algorithm ; STRING ; RS256 ; MEDIUM ; read-only ; i:ES256|RS256
sasl.oauthbearer.assertion.claim.aud ; STRING ; - ; MEDIUM ; read-only
sasl.oauthbearer.assertion.claim.exp.seconds ; INT ; 300 ; LOW ; read-only ; 0..86400
sasl.oauthbearer.assertion.claim.iss ; STRING ; - ; MEDIUM ; read-only
sasl.oauthbearer.assertion.claim.jti.include ; BOOLEAN ; false ; MEDIUM ; read-only
sasl.oauthbearer.assertion.claim.nbf.seconds ; INT ; 60 ; LOW ; read-only ; 0..3600
sasl.oauthbearer.assertion.claim.sub ; STRING ; - ; MEDIUM ; read-only
sasl.oauthbearer.assertion.file ; STRING ; - ; MEDIUM ; read-only
sasl.oauthbearer.assertion.private.key.file ; STRING ; - ; MEDIUM ; read-only
sasl.oauthbearer.assertion.private.key.passphrase ; PASSWORD ; - ; MEDIUM ; read-only
sasl.oauthbearer.assertion.template.file ; STRING ; - ; MEDIUM ; read-only
sasl.oauthbearer.client.credentials.client.id ; STRING ; - ; MEDIUM ; read-only
sasl.oauthbearer.client.credentials.client.secret ; PASSWORD ; - ; MEDIUM ; read-only
sasl.oauthbearer.clock.skew.seconds ; INT ; 30 ; LOW ; read-only
sasl.oauthbearer.expected.audience ; LIST ;  ; HIGH ; read-only
sasl.oauthbearer.expected.issuer ; STRING ; - ; HIGH ; read-only
sasl.oauthbearer.jwks.endpoint.refresh.ms ; LONG ; 3600000 ; LOW ; read-only
sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms ; LONG ; 10000 ; LOW ; read-only
sasl.oauthbearer.jwks.endpoint.retry.backoff.ms ; LONG ; 100 ; LOW ; read-only
sasl.oauthbearer.jwks.endpoint.url ; STRING ; - ; MEDIUM ; read-only
sasl.oauthbearer.jwt.retriever.class ; CLASS ; org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever ; MEDIUM ; read-only
sasl.oauthbearer.jwt.validator.class ; CLASS ; org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator ; MEDIUM ; read-only
sasl.oauthbearer.scope ; STRING ; - ; MEDIUM ; read-only
sasl.oauthbearer.scope.claim.name ; STRING ; scope ; LOW ; read-only
sasl.oauthbearer.sub.claim.name ; STRING ; sub ; LOW ; read-only
sasl.oauthbearer.token.endpoint.url ; STRING ; - ; MEDIUM ; read-only
sasl.server.callback.handler.class ; CLASS ; - ; MEDIUM ; read-only
sasl.server.max.receive.size ; INT ; 524288 ; MEDIUM ; read-only
security.inter.broker.protocol ; STRING ; PLAINTEXT ; MEDIUM ; read-only ; PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL
security.providers ; STRING ; - ; LOW ; read-only
share.coordinator.append.linger.ms ; INT ; -1 ; MEDIUM ; read-only ; -1..
share.coordinator.cached.buffer.max.bytes ; INT ; 1048588 ; MEDIUM ; cluster-wide ; 524288..
share.coordinator.load.buffer.size ; INT ; 5242880 ; HIGH ; read-only ; 1..
share.coordinator.snapshot.update.records.per.snapshot ; INT ; 500 ; MEDIUM ; read-only ; 0..500
share.coordinator.state.topic.compression.codec ; INT ; 0 ; HIGH ; read-only
share.coordinator.state.topic.min.isr ; SHORT ; 2 ; HIGH ; read-only ; 1..
share.coordinator.state.topic.num.partitions ; INT ; 50 ; HIGH ; read-only ; 1..
share.coordinator.state.topic.replication.factor ; SHORT ; 3 ; HIGH ; read-only ; 1..
share.coordinator.state.topic.segment.bytes ; INT ; 104857600 ; HIGH ; read-only ; 1..
share.coordinator.threads ; INT ; 1 ; MEDIUM ; read-only ; 1..
share.coordinator.write.timeout.ms ; INT ; 5000 ; HIGH ; read-only ; 1..
share.fetch.purgatory.purge.interval.requests ; INT ; 1000 ; MEDIUM ; read-only
socket.connection.setup.timeout.max.ms ; LONG ; 30000 ; MEDIUM ; read-only
socket.connection.setup.timeout.ms ; LONG ; 10000 ; MEDIUM ; read-only
socket.listen.backlog.size ; INT ; 50 ; MEDIUM ; read-only ; 1..
socket.receive.buffer.bytes ; INT ; 102400 ; HIGH ; read-only
socket.request.max.bytes ; INT ; 104857600 ; HIGH ; read-only ; 1..
socket.send.buffer.bytes ; INT ; 102400 ; HIGH ; read-only
ssl.allow.dn.changes ; BOOLEAN ; false ; LOW ; read-only
ssl.allow.san.changes ; BOOLEAN ; false ; LOW ; read-only
ssl.cipher.suites ; LIST ;  ; MEDIUM ; per-broker
ssl.client.auth ; STRING ; none ; MEDIUM ; per-broker ; required|requested|none
ssl.enabled.protocols ; LIST ; TLSv1.2,TLSv1.3 ; MEDIUM ; per-broker
ssl.endpoint.identification.algorithm ; STRING ; https ; LOW ; per-broker
ssl.engine.factory.class ; CLASS ; - ; LOW ; per-broker
ssl.key.password ; PASSWORD ; - ; MEDIUM ; per-broker
ssl.keymanager.algorithm ; STRING ; SunX509 ; MEDIUM ; per-broker
ssl.keystore.certificate.chain ; PASSWORD ; - ; MEDIUM ; per-broker
ssl.keystore.key ; PASSWORD ; - ; MEDIUM ; per-broker
ssl.keystore.location ; STRING ; - ; MEDIUM ; per-broker
ssl.keystore.password ; PASSWORD ; - ; MEDIUM ; per-broker
ssl.keystore.type ; STRING ; JKS ; MEDIUM ; per-broker
ssl.principal.mapping.rules ; STRING ; DEFAULT ; LOW ; read-only
ssl.protocol ; STRING ; TLSv1.3 ; MEDIUM ; per-broker
ssl.provider ; STRING ; - ; MEDIUM ; per-broker
ssl.secure.random.implementation ; STRING ; - ; LOW ; per-broker
ssl.trustmanager.algorithm ; STRING ; PKIX ; MEDIUM ; per-broker
ssl.truststore.certificates ; PASSWORD ; - ; MEDIUM ; per-broker
ssl.truststore.location ; STRING ; - ; MEDIUM ; per-broker
ssl.truststore.password ; PASSWORD ; - ; MEDIUM ; per-broker
ssl.truststore.type ; STRING ; JKS ; MEDIUM ; per-broker
telemetry.max.bytes ; INT ; 1048576 ; LOW ; read-only ; 1..
transaction.abort.timed.out.transaction.cleanup.interval.ms ; INT ; 10000 ; LOW ; read-only ; 1..
transaction.max.timeout.ms ; INT ; 900000 ; HIGH ; read-only ; 1..
transaction.partition.verification.enable ; BOOLEAN ; true ; LOW ; cluster-wide
transaction.remove.expired.transaction.cleanup.interval.ms ; INT ; 3600000 ; LOW ; read-only ; 1..
transaction.state.log.load.buffer.size ; INT ; 5242880 ; HIGH ; read-only ; 1..
transaction.state.log.min.isr ; INT ; 2 ; HIGH ; read-only ; 1..
transaction.state.log.num.partitions ; INT ; 50 ; HIGH ; read-only ; 1..
transaction.state.log.replication.factor ; SHORT ; 3 ; HIGH ; read-only ; 1..
transaction.state.log.segment.bytes ; INT ; 104857600 ; HIGH ; read-only ; 1..
transaction.two.phase.commit.enable ; BOOLEAN ; false ; LOW ; read-only
transactional.id.expiration.ms ; INT ; 604800000 ; HIGH ; read-only ; 1..
unclean.leader.election.enable ; BOOLEAN ; false ; HIGH ; cluster-wide
`
