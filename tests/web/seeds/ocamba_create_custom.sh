curl -X POST \
"https://api.ocamba.com/v1/hood/integrations" \
-H "Authorization: Bearer {TOKEN}" \
-H "Content-Type: application/json" \
-d '{
"name": "Example Custom",
"provider_id": "1001",
"settings": {
"default_sender_email": "john.doe@example.com",
"default_sender_name": "John Doe",
"sending_domain": "ex.example.com",
"port": "587",
"username": "john.doe@example.com",
"password": "yourPassword123"
},
"status": "active"
}'
