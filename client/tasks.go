package client

import (
	"context"
	"iter"

	pb "godwit/protos/godwit/v1"
)

// Task returns a background task as it is now. An id that none has fails with
// "task.not_found".
func (c *Client) Task(ctx context.Context, id string) (*pb.Task, error) {
	return call(ctx, c, operation{name: "get task", id: id}, (*server).GetTask, &pb.GetTaskRequest{Id: id})
}

// Tasks yields all background tasks with one of the statuses, or all there are,
// by id, fetching page after page. An error ends it.
func (c *Client) Tasks(ctx context.Context, statuses ...pb.Task_Status) iter.Seq2[*pb.Task, error] {
	return pages("", func(token string) ([]*pb.Task, string, error) {
		page, err := call(ctx, c, operation{name: "list tasks"}, (*server).ListTasks,
			&pb.ListTasksRequest{PageSize: pageSize, PageToken: token, Statuses: statuses})
		return page.GetTasks(), page.GetNextPageToken(), err
	})
}

// RedeliverTask delivers a task that has ended once more, under the same id. It is
// sent to another server only if the first one was not reached.
func (c *Client) RedeliverTask(ctx context.Context, id string) (*pb.Task, error) {
	return call(ctx, c, operation{name: "redeliver task", id: id, once: true}, (*server).RedeliverTask, &pb.RedeliverTaskRequest{Id: id})
}
