// bbc's sqs-consumer: receives ten, handles them side by side, waits for all, deletes ten.
// One consumer per ten slots. https://github.com/bbc/sqs-consumer
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { SQSClient } from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";

const { BENCH_CONCURRENCY, BENCH_HEARTBEAT, BENCH_QUEUE_URL, BENCH_TRACE, BENCH_VISIBILITY_TIMEOUT } =
  process.env;
const visibilityTimeout = Number(BENCH_VISIBILITY_TIMEOUT);
const heartbeat = BENCH_HEARTBEAT
  ? { visibilityTimeout, heartbeatInterval: Math.max(1, Math.floor(visibilityTimeout / 2)) }
  : {};

async function handle({ Body }) {
  const envelope = JSON.parse(Body);
  const { orderId } = (envelope.Message ? JSON.parse(envelope.Message) : envelope).data;
  if (BENCH_TRACE) appendFileSync(BENCH_TRACE, `${orderId} ${Date.now() / 1000}\n`);
  const microseconds = Number(orderId.split(".")[1]);
  if (microseconds) await sleep(microseconds / 1000);
}

for (let slots = Number(BENCH_CONCURRENCY); slots > 0; slots -= 10) {
  const consumer = Consumer.create({
    queueUrl: BENCH_QUEUE_URL,
    batchSize: 10,
    waitTimeSeconds: 20,
    ...heartbeat,
    sqs: new SQSClient({}),
    handleMessageBatch: async (messages) => {
      await Promise.all(messages.map(handle));
      return messages;
    },
  });
  consumer.on("error", (error) => console.error(error.message));
  consumer.on("processing_error", (error) => console.error(error.message));
  consumer.start();
}
