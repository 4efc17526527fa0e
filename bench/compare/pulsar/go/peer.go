// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
)

// What a test says of one topic, and what is found there; payloads are base64 in JSON.
type message struct {
	Payload    []byte            `json:"payload"`
	Key        string            `json:"key"`
	Ordering   []byte            `json:"ordering_key"`
	Properties map[string]string `json:"properties"`
	EventTime  int64             `json:"event_time_ms"`
	Tombstone  bool              `json:"tombstone"`
}

type peerCase struct {
	Topic       string    `json:"topic"`
	Compression string    `json:"compression"`
	Batching    bool      `json:"batching"`
	Count       int       `json:"count"`
	Messages    []message `json:"messages"`
}

var compressions = map[string]pulsar.CompressionType{"none": pulsar.NoCompression, "lz4": pulsar.LZ4,
	"zlib": pulsar.ZLib, "zstd": pulsar.ZSTD, "snappy": pulsar.SNAPPY}

func peerCases(words []string) (pulsar.Client, []peerCase) {
	var cases []peerCase
	need(json.NewDecoder(os.Stdin).Decode(&cases))
	return newClient(strings.TrimPrefix(words[0], "url=")), cases
}

func peerProduce(words []string) {
	client, cases := peerCases(words)
	for _, c := range cases {
		producer, err := client.CreateProducer(pulsar.ProducerOptions{Topic: c.Topic,
			CompressionType: compressions[c.Compression], DisableBatching: !c.Batching,
			BatchingMaxPublishDelay: 50 * time.Millisecond})
		need(err)
		for _, m := range c.Messages {
			sent := &pulsar.ProducerMessage{Payload: m.Payload, Key: m.Key, OrderingKey: string(m.Ordering),
				Properties: m.Properties}
			if m.EventTime != 0 {
				sent.EventTime = time.UnixMilli(m.EventTime)
			}
			producer.SendAsync(context.Background(), sent,
				func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) { need(err) })
		}
		need(producer.FlushWithCtx(context.Background()))
		producer.Close()
	}
	client.Close()
}

func peerConsume(words []string) {
	client, cases := peerCases(words)
	for i := range cases {
		c := &cases[i]
		consumer, err := client.Subscribe(pulsar.ConsumerOptions{Topic: c.Topic, SubscriptionName: "peer",
			SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest})
		need(err)
		c.Messages = []message{}
		for len(c.Messages) < c.Count {
			limit, cancel := context.WithTimeout(context.Background(), late)
			m, err := consumer.Receive(limit)
			cancel()
			if err != nil {
				err = fmt.Errorf("%s: %w after %d of %d", c.Topic, err, len(c.Messages), c.Count)
			}
			need(err)
			got := message{Payload: m.Payload(), Key: m.Key(), Ordering: []byte(m.OrderingKey()), Properties: m.Properties()}
			if !m.EventTime().IsZero() && m.EventTime().UnixMilli() > 0 {
				got.EventTime = m.EventTime().UnixMilli()
			}
			c.Messages = append(c.Messages, got)
			need(consumer.Ack(m))
		}
		consumer.Close()
	}
	client.Close()
	need(json.NewEncoder(os.Stdout).Encode(cases))
}
