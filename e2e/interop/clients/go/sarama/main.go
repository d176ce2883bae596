// Answers the operations of ../../operations.ts with sarama, one JSON object a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

type record struct {
	Key     *[]byte             `json:"key"`
	Value   *[]byte             `json:"value"`
	Headers [][]json.RawMessage `json:"headers"`
}

type request struct {
	Op, Topic, Compression, Group, Name, Value, TransactionalID string
	Partition, Partitions, Total                                int32
	Count, TimeoutMs                                            int
	Offset, Before                                              int64
	Idempotent, Cooperative, Commit                             bool
	InstanceID                                                  *string
	Config                                                      map[string]string
	Records                                                     []record
}

type answer map[string]any

type driver struct {
	address   []string
	producers map[string]sarama.SyncProducer
	member    *member
}

func main() {
	d := &driver{address: []string{os.Args[1]}, producers: map[string]sarama.SyncProducer{}}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		result := answer{}
		if err = json.Unmarshal(line, &asked); err == nil {
			err = d.perform(asked, result)
		}
		result["ok"] = err == nil
		if err != nil {
			result["error"] = err.Error()
		}
		encoded, _ := json.Marshal(result)
		fmt.Println(string(encoded))
	}
}

func (d *driver) perform(r request, result answer) error {
	switch r.Op {
	case "produce":
		return d.produce(r, result)
	case "transact":
		return d.transact(r)
	case "fetch":
		return d.fetch(r, result)
	case "join":
		return d.join(r)
	case "poll":
		d.member.poll(time.Duration(r.TimeoutMs)*time.Millisecond, result)
		return nil
	case "commit":
		d.member.commit()
		return nil
	case "leave":
		return d.member.leave()
	}
	return d.administer(r, result)
}

func config() *sarama.Config {
	made := sarama.NewConfig()
	made.ClientID = "sarama"
	made.Version = sarama.MaxVersion
	made.Metadata.Retry.Max = 60
	made.Metadata.Retry.Backoff = 250 * time.Millisecond
	return made
}

func producerConfig(r request) *sarama.Config {
	made := config()
	codecs := map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}
	made.Producer.Compression = codecs[r.Compression]
	made.Producer.RequiredAcks = sarama.WaitForAll
	made.Producer.Partitioner = sarama.NewManualPartitioner
	made.Producer.MaxMessageBytes = 10_000_000
	made.Producer.Return.Successes = true
	made.Producer.Retry.Max = 100
	made.Producer.Retry.Backoff = 200 * time.Millisecond
	made.Producer.Flush.Frequency = 5 * time.Millisecond
	if r.Idempotent {
		made.Producer.Idempotent = true
		made.Net.MaxOpenRequests = 1
	}
	return made
}

func (d *driver) produce(r request, result answer) error {
	name := r.Compression + strconv.FormatBool(r.Idempotent)
	if _, ok := d.producers[name]; !ok {
		made, err := sarama.NewSyncProducer(d.address, producerConfig(r))
		if err != nil {
			return err
		}
		d.producers[name] = made
	}
	messages, err := messagesOf(r)
	if err != nil {
		return err
	}
	if err := d.producers[name].SendMessages(messages); err != nil {
		return err
	}
	offsets := []int64{}
	for _, message := range messages {
		offsets = append(offsets, message.Offset)
	}
	result["offsets"] = offsets
	return nil
}

func messagesOf(r request) ([]*sarama.ProducerMessage, error) {
	messages := []*sarama.ProducerMessage{}
	for _, each := range r.Records {
		message := &sarama.ProducerMessage{Topic: r.Topic, Partition: r.Partition}
		if each.Key != nil {
			message.Key = sarama.ByteEncoder(*each.Key)
		}
		if each.Value != nil {
			message.Value = sarama.ByteEncoder(*each.Value)
		}
		for _, pair := range each.Headers {
			var name string
			var value []byte
			if err := errors.Join(json.Unmarshal(pair[0], &name), json.Unmarshal(pair[1], &value)); err != nil {
				return nil, err
			}
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(name), Value: value})
		}
		messages = append(messages, message)
	}
	return messages, nil
}

func (d *driver) transact(r request) error {
	r.Idempotent = true
	made := producerConfig(r)
	made.Producer.Transaction.ID = r.TransactionalID
	made.Producer.Transaction.Retry.Max = 10
	made.Producer.Transaction.Retry.Backoff = 200 * time.Millisecond
	producer, err := sarama.NewSyncProducer(d.address, made)
	if err != nil {
		return err
	}
	defer producer.Close()
	messages, err := messagesOf(r)
	if err != nil {
		return err
	}
	if err := errors.Join(producer.BeginTxn(), producer.SendMessages(messages)); err != nil {
		return err
	}
	if r.Commit {
		return producer.CommitTxn()
	}
	return producer.AbortTxn()
}

func (d *driver) fetch(r request, result answer) error {
	consumer, err := sarama.NewConsumer(d.address, config())
	if err != nil {
		return err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(r.Topic, r.Partition, r.Offset)
	if err != nil {
		return err
	}
	defer partition.Close()
	fetched := []answer{}
	deadline := time.After(time.Duration(r.TimeoutMs) * time.Millisecond)
	for len(fetched) < r.Count {
		select {
		case message := <-partition.Messages():
			fetched = append(fetched, recordJSON(message))
			continue
		case <-deadline:
		}
		break
	}
	result["records"] = fetched
	return nil
}

func recordJSON(message *sarama.ConsumerMessage) answer {
	headers := [][]any{}
	for _, header := range message.Headers {
		headers = append(headers, []any{string(header.Key), header.Value})
	}
	return answer{
		"partition": message.Partition, "offset": message.Offset,
		"key": message.Key, "value": message.Value, "headers": headers,
	}
}

// member turns sarama's callbacks into a queue that poll empties.
type member struct {
	group    sarama.ConsumerGroup
	messages chan *sarama.ConsumerMessage
	cancel   context.CancelFunc
	ended    chan struct{}

	mutex   sync.Mutex
	session sarama.ConsumerGroupSession
	topic   string
}

func (d *driver) join(r request) error {
	made := config()
	made.Consumer.Offsets.Initial = sarama.OffsetOldest
	made.Consumer.Offsets.AutoCommit.Enable = false
	made.Consumer.Group.Session.Timeout = 15 * time.Second
	made.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	made.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	if r.Cooperative {
		made.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyCooperativeSticky()}
	}
	if r.InstanceID != nil {
		made.Consumer.Group.InstanceId = *r.InstanceID
	}
	group, err := sarama.NewConsumerGroup(d.address, r.Group, made)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	joined := &member{
		group: group, messages: make(chan *sarama.ConsumerMessage), cancel: cancel,
		ended: make(chan struct{}), topic: r.Topic,
	}
	d.member = joined
	go func() {
		defer close(joined.ended)
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{r.Topic}, joined); err != nil {
				fmt.Fprintln(os.Stderr, err)
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return nil
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.session = session
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.session = nil
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			select {
			case m.messages <- message:
				session.MarkMessage(message, "")
			case <-session.Context().Done():
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) poll(timeout time.Duration, result answer) {
	polled := []answer{}
	for deadline := time.After(timeout); ; {
		select {
		case message := <-m.messages:
			polled = append(polled, recordJSON(message))
			continue
		case <-deadline:
		}
		break
	}
	result["records"] = polled
	result["assignment"] = []int32{}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.session != nil {
		// Of no partition is an empty list, not null.
		assignment := append([]int32{}, m.session.Claims()[m.topic]...)
		slices.Sort(assignment)
		result["assignment"] = assignment
	}
}

func (m *member) commit() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.session != nil {
		m.session.Commit()
	}
}

func (m *member) leave() error {
	m.cancel()
	<-m.ended
	return m.group.Close()
}

func (d *driver) administer(r request, result answer) error {
	admin, err := sarama.NewClusterAdmin(d.address, config())
	if err != nil {
		return err
	}
	defer admin.Close()
	switch r.Op {
	case "createTopic":
		entries := map[string]*string{}
		for name, value := range r.Config {
			entries[name] = &value
		}
		detail := &sarama.TopicDetail{NumPartitions: r.Partitions, ReplicationFactor: 1, ConfigEntries: entries}
		return admin.CreateTopic(r.Topic, detail, false)
	case "deleteTopic":
		return admin.DeleteTopic(r.Topic)
	case "listTopics":
		listed, err := admin.ListTopics()
		names := []string{}
		for name := range listed {
			names = append(names, name)
		}
		result["topics"] = names
		return err
	case "describeTopic":
		described, err := admin.DescribeTopics([]string{r.Topic})
		if err != nil {
			return err
		}
		result["partitions"] = len(described[0].Partitions)
	case "createPartitions":
		return admin.CreatePartitions(r.Topic, r.Total, nil, false)
	case "describeConfig":
		entries, err := admin.DescribeConfig(sarama.ConfigResource{
			Type: sarama.TopicResource, Name: r.Topic, ConfigNames: []string{r.Name}})
		for _, entry := range entries {
			if entry.Name == r.Name {
				result["value"] = entry.Value
			}
		}
		return err
	case "alterConfig":
		return admin.IncrementalAlterConfig(sarama.TopicResource, r.Topic, map[string]sarama.IncrementalAlterConfigsEntry{
			r.Name: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &r.Value}}, false)
	case "deleteRecords":
		return admin.DeleteRecords(r.Topic, map[int32]int64{r.Partition: r.Before})
	case "listGroups":
		listed, err := admin.ListConsumerGroups()
		names := []string{}
		for name := range listed {
			names = append(names, name)
		}
		result["groups"] = names
		return err
	case "committed":
		fetched, err := admin.ListConsumerGroupOffsets(r.Group, nil)
		if err != nil {
			return err
		}
		offsets := map[string]int64{}
		for partition, block := range fetched.Blocks[r.Topic] {
			offsets[strconv.Itoa(int(partition))] = block.Offset
		}
		result["offsets"] = offsets
	case "deleteGroup":
		return admin.DeleteConsumerGroup(r.Group)
	default:
		return fmt.Errorf("no operation %q", r.Op)
	}
	return nil
}
