// Package client speaks to godwit servers.
//
// The programming model is that of background transfers: a transfer belongs to
// the server, not to the program that asked for it. A program creates one,
// attaches to it, follows its progress, and may go away at any moment; when it
// comes back it lists what is still under way ([Client.Current]) or attaches by
// id ([Client.Attach]) and goes on watching. Ending a wait never ends a
// transfer; only [Client.Cancel] does.
//
// A client may know several servers of one cluster. Any of them answers for any
// transfer and for any node. A call goes to the server that answered last, and
// to the next one when that cannot be reached, breaks off, or says that it is
// starting or stopping; after a round it pauses and begins again, a few times.
// So a call may be carried out twice, which is harmless for most: reading changes
// nothing, [Client.Create] has its id before it is sent, and commands say what is
// to be, not what is to be done next. The others are [Client.Retry], which could
// revive a transfer that failed again, [Client.RetryCompletionGroup] and
// [Client.RedeliverTask], which are like it, and [Client.Update] and
// [Client.UpdateGroup] with an etag, which would fail on the version that they
// made themselves: they go on to another server only when nothing can have been
// done.
//
// Watching and reading reconnect by themselves and go on where they were.
//
// Every failure is an *[Error] with the stable code that the server gave, or
// with one of the codes of this package when no server answered.
package client
