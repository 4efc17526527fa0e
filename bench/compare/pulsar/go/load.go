// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"golang.org/x/sys/unix"
)

const headBytes = 16 // sequence, time of its sending; a pattern follows
const late = 20 * time.Second
const forever = int64(1) << 62

// An application of the comparison; ../README.md says what each mode does.
type app struct {
	given     map[string]string
	client    pulsar.Client
	producer  pulsar.Producer
	consumer  pulsar.Consumer
	pattern   []byte
	answers   *bufio.Reader
	sent      int64
	receipts  atomic.Int64
	failed    atomic.Int64
	lastNs    atomic.Int64
	received  atomic.Int64
	wrong     int64
	sampling  atomic.Bool
	sendNs    []int64 // written by the client's own goroutine
	arrivalNs []int64
}

func load(mode func(*app)) func([]string) {
	return func(words []string) {
		a := &app{given: map[string]string{}, answers: bufio.NewReader(os.Stdin)}
		for _, word := range words {
			name, value, _ := strings.Cut(word, "=")
			a.given[name] = value
		}
		a.pattern = make([]byte, a.number("size"))
		for i := range a.pattern {
			a.pattern[i] = byte(i*167 + 13)
		}
		a.client = newClient(a.given["url"])
		mode(a)
		a.client.Close()
	}
}

func nowNs() int64 {
	var t unix.Timespec
	need(unix.ClockGettime(unix.CLOCK_MONOTONIC, &t))
	return t.Nano()
}

func (a *app) number(name string) int64 {
	n, _ := strconv.ParseFloat(a.given[name], 64)
	return int64(n)
}

func (a *app) ns(name string) int64 {
	seconds, _ := strconv.ParseFloat(a.given[name], 64)
	return int64(seconds * 1e9)
}

// Says a line and goes on when it is answered.
func (a *app) tell(values map[string]any) {
	line, err := json.Marshal(values)
	need(err)
	fmt.Println(string(line))
	_, err = a.answers.ReadString('\n')
	need(err)
}

func (a *app) openProducer() {
	options := pulsar.ProducerOptions{Topic: a.given["topic"], MaxPendingMessages: int(a.number("window"))}
	if a.given["delay"] != "" && a.given["delay"] != "default" {
		options.BatchingMaxPublishDelay = time.Duration(a.number("delay")) * time.Millisecond
		options.BatchingMaxMessages = 1000
		options.BatchingMaxSize = 128 * 1024
	}
	if a.given["chunks"] != "" {
		options.DisableBatching, options.EnableChunking = true, true
	}
	producer, err := a.client.CreateProducer(options)
	need(err)
	a.producer = producer
}

func (a *app) openConsumer() {
	consumer, err := a.client.Subscribe(pulsar.ConsumerOptions{
		Topic: a.given["topic"], SubscriptionName: "bench", Type: pulsar.Shared,
		SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest})
	need(err)
	a.consumer = consumer
}

func (a *app) sendOne(atNs int64) {
	payload := make([]byte, len(a.pattern))
	copy(payload[headBytes:], a.pattern[headBytes:])
	binary.LittleEndian.PutUint64(payload, uint64(a.sent))
	binary.LittleEndian.PutUint64(payload[8:], uint64(atNs))
	a.sent++
	a.producer.SendAsync(context.Background(), &pulsar.ProducerMessage{Payload: payload},
		func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
			now := nowNs()
			if err != nil {
				a.failed.Add(1)
			}
			if a.sampling.Load() {
				a.sendNs = append(a.sendNs, now-atNs)
			}
			a.lastNs.Store(now)
			a.receipts.Add(1)
		})
}

// As fast as it goes, until the time has come or so many have been sent; ends with nothing in flight.
func (a *app) sendAll(untilNs, until int64) {
	for a.sent < until && nowNs() < untilNs {
		for n := 0; n < 16 && a.sent < until; n++ {
			a.sendOne(0)
		}
	}
	need(a.producer.FlushWithCtx(context.Background()))
	for a.receipts.Load() < a.sent {
		time.Sleep(200 * time.Microsecond)
	}
}

func (a *app) publish() {
	a.openProducer()
	a.sendAll(nowNs()+a.ns("warm"), forever)
	a.tell(nil)
	warm, begin := a.sent, nowNs()
	a.sendAll(begin+a.ns("measure"), forever)
	a.tell(map[string]any{"sent": a.sent, "receipts": a.receipts.Load(), "wrong": a.failed.Load(),
		"measured": a.sent - warm, "seconds": float64(a.lastNs.Load()-begin) / 1e9})
}

func (a *app) hold() {
	a.openProducer()
	a.sendAll(forever, a.number("count"))
	a.tell(map[string]any{"sent": a.sent, "receipts": a.receipts.Load(), "wrong": a.failed.Load(),
		"last_ns": a.lastNs.Load()})
}

// The time at which it was sent.
func (a *app) take(message pulsar.Message) int64 {
	data := message.Payload()
	if len(data) != len(a.pattern) {
		a.wrong++
		a.received.Add(1)
		return 0
	}
	if int64(binary.LittleEndian.Uint64(data)) != a.received.Load() ||
		!bytes.Equal(data[headBytes:], a.pattern[headBytes:]) {
		a.wrong++
	}
	a.received.Add(1)
	return int64(binary.LittleEndian.Uint64(data[8:]))
}

func (a *app) takeUntil(count int64) {
	for a.received.Load() < count {
		message, err := a.consumer.Receive(context.Background())
		need(err)
		a.take(message)
		need(a.consumer.Ack(message))
	}
}

func (a *app) consume() {
	a.openConsumer()
	a.takeUntil(a.number("count") / 3)
	a.tell(nil)
	warm, begin := a.received.Load(), nowNs()
	a.takeUntil(a.number("count"))
	end := nowNs()
	a.consumer.Close() // what is acknowledged reaches the broker
	a.tell(map[string]any{"received": a.received.Load(), "acknowledged": a.received.Load(), "wrong": a.wrong,
		"measured": a.received.Load() - warm, "seconds": float64(end-begin) / 1e9})
}

func (a *app) sendPaced(seconds int64) {
	rate := a.number("rate")
	begin := nowNs()
	for n := int64(0); n < seconds*rate/1e9; n++ {
		if left := begin + n*1e9/rate - nowNs(); left > 0 {
			time.Sleep(time.Duration(left))
		}
		a.sendOne(nowNs())
	}
	for end := time.Now().Add(late); (a.receipts.Load() < a.sent || a.received.Load() < a.sent) &&
		time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func (a *app) receiveAll(ended context.Context, done chan<- bool) {
	for {
		message, err := a.consumer.Receive(ended)
		if err != nil {
			done <- true
			return
		}
		now := nowNs()
		atNs := a.take(message)
		if a.sampling.Load() {
			a.arrivalNs = append(a.arrivalNs, now-atNs)
		}
		need(a.consumer.Ack(message))
	}
}

func percentiles(values []int64) [2]float64 {
	if len(values) == 0 {
		return [2]float64{-1, -1}
	}
	sort.Slice(values, func(i, j int) bool { return values[i] < values[j] })
	at := func(percent int) float64 { return float64(values[(len(values)-1)*percent/100]) / 1e3 }
	return [2]float64{at(50), at(99)}
}

func (a *app) latency() {
	a.openConsumer()
	a.openProducer()
	ended, end := context.WithCancel(context.Background())
	done := make(chan bool)
	go a.receiveAll(ended, done)
	a.sendPaced(a.ns("warm"))
	warm := a.sent
	a.tell(nil)
	a.sampling.Store(true)
	a.sendPaced(a.ns("measure"))
	end()
	<-done
	a.consumer.Close()
	a.tell(map[string]any{"sent": a.sent, "receipts": a.receipts.Load(), "received": a.received.Load(),
		"acknowledged": a.received.Load(), "wrong": a.wrong + a.failed.Load(), "measured": a.sent - warm,
		"send_us": percentiles(a.sendNs), "end_to_end_us": percentiles(a.arrivalNs)})
}
