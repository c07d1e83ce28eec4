// Starts version 3 of aws-lambda-ric as its own command does, which prints a line of its own first.
const { run } = await import(process.argv[2]);
await run(process.cwd(), process.argv[3]);
