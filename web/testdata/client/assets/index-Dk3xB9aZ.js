// What a built client does, in little: history mode, cookies, the plain socket.
const app = document.querySelector("#app");
const api = (path, options = {}) => fetch(`/api/v1${path}`, { credentials: "include", ...options });
function element(tag, props = {}) {
  const e = Object.assign(document.createElement(tag), props);
  app.append(e);
  return e;
}

async function room(id) {
  element("h1", { textContent: "Room", style: "color: green" });
  const lines = element("ul", { id: "lines" });
  const show = (sender, content) => {
    const line = document.createElement("li");
    line.textContent = `${sender}: ${content}`;
    lines.append(line);
  };
  for (const m of await (await api(`/chat/messages/${id}`)).json()) show(m.sender, m.content);
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/api/v1/chat/ws/${id}`);
  socket.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    if (frame.type === "message") show(frame.sender, frame.content);
  };
  socket.onopen = () => {
    const text = element("input", { id: "text" });
    element("button", { id: "send", textContent: "Send", onclick: () => socket.send(text.value) });
  };
}

function signIn() {
  const form = element("form", { id: "signin", innerHTML: '<input name="username"><input name="password" type="password"><button id="enter">Sign in</button>' });
  form.onsubmit = async (event) => {
    event.preventDefault();
    const answer = await api("/login/access-token", { method: "POST", body: new FormData(form) });
    if (answer.ok) route();
  };
}

async function route() {
  app.replaceChildren();
  const user = await (await api("/login/test-token", { method: "POST" })).json();
  element("p", { id: "who", textContent: user ? user.username : "nobody" });
  const match = /^\/rooms\/([^/]+)$/.exec(location.pathname);
  if (!user) signIn();
  else if (match) await room(match[1]);
}

route();
