// Package merge joins two changes of one content that were made to the same version of it.
//
// A content is an object. It falls into blocks: the nodes of a document, the elements of a
// list that have ids (the nodes and edges of a process), and every other member as a whole.
// The title is a block too. Blocks that one side alone has changed are taken from that
// side. A block that both have changed in different ways is a conflict, and nothing is
// merged then: a person has to choose.
//
// Of the version that both began with, only an Outline is needed: what blocks there were, by
// their hashes. It is small, so that it can be kept for versions whose content is gone.
//
// Package merge is pure. Of ours it imports package lcs alone.
package merge
