curl -X POST \
"https://api.ocamba.com/v1/hood/integrations" \
-H "Authorization: Bearer {TOKEN}" \
-H "Content-Type: application/json" \
-d '{
"name": "Example Mailgun",
"provider_id": "1005",
"settings": {
"api_key": "568cXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX-XXXXXXXX-XXXXXXXX",
"domain": "sandboxXXXXXXXXXXXXXXXXXXXXXXXXXXXXX.mailgun.org",
"sender_email": "john.doe@example.com",
"sender_name": "John Doe"
},
"status": "active"
}'
