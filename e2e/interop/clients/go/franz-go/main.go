// Answers the operations of ../../operations.ts with franz-go, one JSON object a line.
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

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const deadline = 60 * time.Second

type record struct {
	Key     *[]byte             `json:"key"`
	Value   *[]byte             `json:"value"`
	Headers [][]json.RawMessage `json:"headers"`
}

type request struct {
	Op, Topic, Compression, Group, Name, Value, TransactionalID string
	Partition                                                   int32
	Partitions, Total, Count, TimeoutMs                         int
	Offset, Before                                              int64
	Idempotent, Cooperative, Commit                             bool
	InstanceID                                                  *string
	Config                                                      map[string]string
	Records                                                     []record
}

type answer map[string]any

type driver struct {
	seed      string
	producers map[string]*kgo.Client
	member    *kgo.Client
	mutex     sync.Mutex
	assigned  map[int32]bool
}

func main() {
	d := &driver{seed: os.Args[1], producers: map[string]*kgo.Client{}}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		var asked request
		result := answer{}
		if err = json.Unmarshal(line, &asked); err == nil {
			err = d.perform(ctx, asked, result)
		}
		cancel()
		result["ok"] = err == nil
		if err != nil {
			result["error"] = err.Error()
		}
		encoded, _ := json.Marshal(result)
		fmt.Println(string(encoded))
	}
}

func (d *driver) perform(ctx context.Context, r request, result answer) error {
	switch r.Op {
	case "produce":
		return d.produce(ctx, r, result)
	case "transact":
		return d.transact(ctx, r)
	case "fetch":
		return d.fetch(ctx, r, result)
	case "join":
		return d.join(r)
	case "poll":
		return d.poll(ctx, r, result)
	case "commit":
		return d.member.CommitUncommittedOffsets(ctx)
	case "leave":
		d.member.Close()
		return nil
	}
	return d.administer(ctx, r, result)
}

func (d *driver) client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(d.seed), kgo.ClientID("franz-go")}, options...)...)
}

func (d *driver) producer(compression string, idempotent bool) (*kgo.Client, error) {
	name := compression + strconv.FormatBool(idempotent)
	if found, ok := d.producers[name]; ok {
		return found, nil
	}
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	options := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[compression]),
		kgo.ProducerBatchMaxBytes(10_000_000),
		kgo.RecordDeliveryTimeout(deadline),
	}
	if !idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	made, err := d.client(options...)
	d.producers[name] = made
	return made, err
}

func (d *driver) produce(ctx context.Context, r request, result answer) error {
	producer, err := d.producer(r.Compression, r.Idempotent)
	if err != nil {
		return err
	}
	sent, err := recordsOf(r)
	if err != nil {
		return err
	}
	offsets := []int64{}
	for _, produced := range producer.ProduceSync(ctx, sent...) {
		if produced.Err != nil {
			return produced.Err
		}
	}
	// The results come in the order of acknowledgement; the records know their offsets.
	for _, each := range sent {
		offsets = append(offsets, each.Offset)
	}
	result["offsets"] = offsets
	return nil
}

func recordsOf(r request) ([]*kgo.Record, error) {
	records := []*kgo.Record{}
	for _, each := range r.Records {
		made := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: bytesOf(each.Key), Value: bytesOf(each.Value)}
		for _, pair := range each.Headers {
			var name string
			var value *[]byte
			if err := errors.Join(json.Unmarshal(pair[0], &name), json.Unmarshal(pair[1], &value)); err != nil {
				return nil, err
			}
			made.Headers = append(made.Headers, kgo.RecordHeader{Key: name, Value: bytesOf(value)})
		}
		records = append(records, made)
	}
	return records, nil
}

func bytesOf(text *[]byte) []byte {
	if text == nil {
		return nil
	}
	return append([]byte{}, *text...)
}

func (d *driver) transact(ctx context.Context, r request) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	producer, err := d.client(
		kgo.TransactionalID(r.TransactionalID), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := producer.BeginTransaction(); err != nil {
		return err
	}
	sent, err := recordsOf(r)
	if err != nil {
		return err
	}
	if err := producer.ProduceSync(ctx, sent...).FirstErr(); err != nil {
		return err
	}
	return producer.EndTransaction(ctx, kgo.TransactionEndTry(r.Commit))
}

func (d *driver) fetch(ctx context.Context, r request, result answer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.TimeoutMs)*time.Millisecond)
	defer cancel()
	start := map[string]map[int32]kgo.Offset{r.Topic: {r.Partition: kgo.NewOffset().At(r.Offset)}}
	consumer, err := d.client(kgo.ConsumePartitions(start))
	if err != nil {
		return err
	}
	defer consumer.Close()
	fetched := []answer{}
	for len(fetched) < r.Count && ctx.Err() == nil {
		fetched = append(fetched, recordsJSON(consumer.PollFetches(ctx))...)
	}
	result["records"] = fetched
	return nil
}

func (d *driver) join(r request) error {
	d.assigned = map[int32]bool{}
	note := func(isAssigned bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			d.mutex.Lock()
			defer d.mutex.Unlock()
			for _, partition := range partitions[r.Topic] {
				d.assigned[partition] = isAssigned
			}
		}
	}
	options := []kgo.Opt{
		kgo.ConsumerGroup(r.Group), kgo.ConsumeTopics(r.Topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(15 * time.Second), kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.OnPartitionsAssigned(note(true)), kgo.OnPartitionsRevoked(note(false)),
		kgo.OnPartitionsLost(note(false)), kgo.Balancers(kgo.RangeBalancer()),
	}
	if r.Cooperative {
		options = append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	}
	if r.InstanceID != nil {
		options = append(options, kgo.InstanceID(*r.InstanceID))
	}
	member, err := d.client(options...)
	d.member = member
	return err
}

func (d *driver) poll(ctx context.Context, r request, result answer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.TimeoutMs)*time.Millisecond)
	defer cancel()
	result["records"] = recordsJSON(d.member.PollFetches(ctx))
	d.mutex.Lock()
	defer d.mutex.Unlock()
	assignment := []int32{}
	for partition, isAssigned := range d.assigned {
		if isAssigned {
			assignment = append(assignment, partition)
		}
	}
	slices.Sort(assignment)
	result["assignment"] = assignment
	return nil
}

func recordsJSON(fetches kgo.Fetches) []answer {
	fetches.EachError(func(topic string, partition int32, err error) {
		if !errors.Is(err, context.DeadlineExceeded) {
			fmt.Fprintln(os.Stderr, topic, partition, err)
		}
	})
	records := []answer{}
	fetches.EachRecord(func(each *kgo.Record) {
		headers := [][]any{}
		for _, header := range each.Headers {
			headers = append(headers, []any{header.Key, header.Value})
		}
		records = append(records, answer{
			"partition": each.Partition, "offset": each.Offset,
			"key": each.Key, "value": each.Value, "headers": headers,
		})
	})
	return records
}

func (d *driver) administer(ctx context.Context, r request, result answer) error {
	client, err := d.client()
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	switch r.Op {
	case "createTopic":
		config := map[string]*string{}
		for name, value := range r.Config {
			config[name] = &value
		}
		_, err = admin.CreateTopic(ctx, int32(r.Partitions), 1, config, r.Topic)
	case "deleteTopic":
		_, err = admin.DeleteTopic(ctx, r.Topic)
	case "listTopics":
		listed, failed := admin.ListTopics(ctx)
		result["topics"], err = listed.Names(), failed
	case "describeTopic":
		listed, failed := admin.ListTopics(ctx, r.Topic)
		result["partitions"], err = len(listed[r.Topic].Partitions), errors.Join(failed, listed.Error())
	case "createPartitions":
		updated, failed := admin.UpdatePartitions(ctx, r.Total, r.Topic)
		err = errors.Join(failed, updated.Error())
	case "describeConfig":
		described, failed := admin.DescribeTopicConfigs(ctx, r.Topic)
		if failed != nil {
			return failed
		}
		for _, config := range described[0].Configs {
			if config.Key == r.Name {
				result["value"] = config.Value
			}
		}
	case "alterConfig":
		change := kadm.AlterConfig{Op: kadm.SetConfig, Name: r.Name, Value: kadm.StringPtr(r.Value)}
		altered, failed := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, r.Topic)
		if failed != nil {
			return failed
		}
		err = altered[0].Err
	case "deleteRecords":
		offsets := kadm.Offsets{}
		offsets.AddOffset(r.Topic, r.Partition, r.Before, -1)
		deleted, failed := admin.DeleteRecords(ctx, offsets)
		err = errors.Join(failed, deleted.Error())
	case "listGroups":
		listed, failed := admin.ListGroups(ctx)
		result["groups"], err = listed.Groups(), failed
	case "committed":
		fetched, failed := admin.FetchOffsets(ctx, r.Group)
		offsets := map[string]int64{}
		fetched.Each(func(each kadm.OffsetResponse) { offsets[strconv.Itoa(int(each.Partition))] = each.At })
		result["offsets"], err = offsets, failed
	case "deleteGroup":
		_, err = admin.DeleteGroup(ctx, r.Group)
	default:
		err = kerr.InvalidRequest
	}
	return err
}
