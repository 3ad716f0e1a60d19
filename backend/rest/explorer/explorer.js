const examples = {
  "What is drawn now": "{\n  overview {\n    consumption { value unit coverage withheld }\n    pue { value withheld }\n    problems { kind message since }\n  }\n}",
  "The energy tree": "{\n  energyTree {\n    at\n    nodes { id name parent watts coverage missing }\n  }\n}",
  "Sensors": '{\n  sensors(type: "wattmeter", first: 10) {\n    totalCount\n    edges { node { name unit location latest { value ageSeconds } } }\n    pageInfo { hasNextPage endCursor }\n  }\n}',
  "A day of the data centre": 'query ($from: DateTime!) {\n  series(nodes: ["datacenter"], from: $from, maxPoints: 200, statistics: [MEAN, MIN, MAX]) {\n    node unit window stepSeconds timestamps mean min max coverage\n  }\n}',
  "Live readings": 'subscription {\n  readings(types: ["temperature"]) { snapshot sensors timestamps values }\n}',
};
const $ = (id) => document.getElementById(id);
let socket = null;

function show(value) {
  $("answer").textContent = typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function stop(text = "") {
  socket?.close();
  socket = null;
  $("stop").disabled = true;
  if (text) $("status").textContent = text;
}

async function ask(payload) {
  const start = performance.now();
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(payload),
  });
  const text = await response.text();
  $("status").textContent = `${(performance.now() - start).toFixed(0)} ms, ${(text.length / 1000).toFixed(1)} kB`;
  show(response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text);
}

function watch(payload) {
  let count = 0;
  const url = new URL("/graphql", location.href.replace(/^http/, "ws"));
  const mine = (socket = new WebSocket(url, "graphql-transport-ws"));
  $("stop").disabled = false;
  mine.onopen = () => mine.send(JSON.stringify({ type: "connection_init" }));
  mine.onclose = () => socket === mine && stop("closed");
  mine.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "connection_ack") mine.send(JSON.stringify({ id: "1", type: "subscribe", payload }));
    if (message.type === "ping") mine.send(JSON.stringify({ type: "pong" }));
    if (message.type === "next" || message.type === "error") {
      $("status").textContent = `${++count} received`;
      show(message.payload);
    }
    if (message.type === "complete") stop("complete");
  };
}

async function run() {
  stop();
  const query = $("query").value;
  try {
    const variables = $("variables").value.trim() ? JSON.parse($("variables").value) : {};
    if (/^\s*subscription\b/m.test(query)) watch({ query, variables });
    else await ask({ query, variables });
  } catch (error) {
    show(String(error));
  }
}

let schema = "";
function find() {
  const word = $("find").value.trim().toLowerCase();
  const blocks = schema.split(/\n\n(?=\S)/);
  $("schema").textContent = word ? blocks.filter((b) => b.toLowerCase().includes(word)).join("\n\n") : schema;
}

$("examples").append(...Object.keys(examples).map((name) => new Option(name)));
$("examples").onchange = () => {
  $("query").value = examples[$("examples").value];
  const from = new Date(Date.now() - 86_400_000).toISOString();
  $("variables").value = $("query").value.includes("$from") ? JSON.stringify({ from }) : "";
};
$("examples").onchange();
$("run").onclick = run;
$("stop").onclick = () => stop("stopped");
$("find").oninput = find;
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
});
const response = await fetch("/schema.graphql");
schema = response.ok ? await response.text() : "The schema is not shown here (SEDUCE_INTROSPECTION).";
find();
