"""The periodic tasks: schedule, tasks and their runners. The one-process deployment uses them too, without Celery."""
