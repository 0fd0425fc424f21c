// What every Node client does with the server, whatever its SDK calls it.

export const server = process.env.INTEROP_SERVER;
export const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("SEEDANCE_")));

const request = (tool, duration) => {
  const fields = { model: "seedance2.0-fast-i2v", prompt: "a fox in the snow", duration };
  return "request" in tool.inputSchema.properties ? { request: fields } : fields;
};

const fact = (result, name) => {
  if (result.isError) throw new Error(result.content[0].text);
  return result.structuredContent[name];
};

const isFilm = async (url) => {
  const film = Buffer.from(await (await fetch(url)).arrayBuffer());
  return film.subarray(4, 8).toString() === "ftyp";
};

export const tell = (seen) => console.log(JSON.stringify({ connects: true, ...seen }));

// Call each tool that a video takes and print the line; `call(name, arguments)` gives the raw result.
export const walk = async (tools, call) => {
  const creator = tools.find((tool) => tool.name === "create_video");
  const models = await call("list_models", { route: "fast-i2v" });
  const made = await call("create_video", request(creator, 1));
  const done = await call("wait_for_video", { task_id: fact(made, "task_id") });
  const video = fact(done, "status") === "completed" && (await isFilm(fact(done, "video_url")));
  const refused = await call("create_video", request(creator, 99));
  tell({
    lists: tools.length,
    calls: !models.isError && models.content[0].text.includes("seedance2.0-fast-i2v"),
    video,
    error: refused.isError ? refused.content[0].text : "",
  });
};
