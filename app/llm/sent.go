package llm

// AsSent returns the instructions and the messages of a request as a model reads them: in
// alternation, with what others say in its fence. Providers get them in forms of their own.
func (r Request) AsSent() (instructions string, messages []Message) {
	return r.instructions(), r.shaped("")
}
